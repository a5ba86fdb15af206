"""What a gallery shows and in which order, and the days that are shown as boards. Every method is one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from invokeai.app.services.gallery.gallery_models import GalleryItem, GalleryItemKind, VirtualSubBoardDTO
from invokeai.app.services.image_records.image_dto import ImageDTO
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.image_records.image_record_store import ImageRecordStore, ItemNames
from invokeai.app.services.image_records.image_sql import ImageFilter
from invokeai.app.services.shared.errors import InvalidInput
from invokeai.app.services.shared.pagination import OffsetPaginatedResults, SQLiteDirection

MAX_SEARCH_LENGTH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryQuery:
    """Which pictures, in which order. None means any; the board `none` means on no board."""

    board_id: str | None = None
    origin: ResourceOrigin | None = None
    categories: Sequence[ImageCategory] | None = None
    is_intermediate: bool | None = None
    search_term: str | None = None
    created_date: str | None = None
    """A day, YYYY-MM-DD (UTC)."""
    order_dir: SQLiteDirection = SQLiteDirection.Descending
    starred_first: bool = True


class GalleryService:
    """Reads galleries."""

    def __init__(self, images: ImageRecordStore) -> None:
        self._images = images

    async def names(self, query: GalleryQuery) -> ItemNames:
        """Names in order. Raises InvalidInput."""
        _check(query)
        return await self._images.item_names(
            query.board_id,
            query.categories,
            query.is_intermediate,
            query.order_dir,
            query.starred_first,
            query.search_term,
            query.created_date,
            query.origin,
        )

    async def names_json(self, query: GalleryQuery) -> str:
        """Names in order with their counts, as the JSON text of GalleryItemNames. Raises InvalidInput."""
        _check(query)
        return await self._images.names_json(_filter(query), query.order_dir, query.starred_first)

    async def page(self, query: GalleryQuery, offset: int, limit: int) -> OffsetPaginatedResults[GalleryItem]:
        """A slice of a gallery. Raises InvalidInput."""
        _check(query)
        text = await self._images.page_json(
            _filter(query), offset=offset, limit=limit, order_dir=query.order_dir, starred_first=query.starred_first
        )
        page = OffsetPaginatedResults[ImageDTO].model_validate_json(text)
        items = [_item(picture) for picture in page.items]
        return OffsetPaginatedResults(limit=page.limit, offset=page.offset, total=page.total, items=items)

    async def days(self) -> list[VirtualSubBoardDTO]:
        """The days that have pictures, newest first."""
        return [
            VirtualSubBoardDTO(
                virtual_board_id=f"by_date:{day.date}",
                board_name=day.date,
                date=day.date,
                image_count=day.image_count,
                asset_count=day.asset_count,
                cover_image_name=day.cover_image_name,
            )
            for day in await self._images.days()
        ]


def _filter(query: GalleryQuery) -> ImageFilter:
    return ImageFilter(
        board_id=query.board_id,
        image_origin=query.origin,
        categories=query.categories,
        is_intermediate=query.is_intermediate,
        search_term=query.search_term,
        created_date=query.created_date,
    )


def _check(query: GalleryQuery) -> None:
    if query.search_term is not None and len(query.search_term) > MAX_SEARCH_LENGTH:
        raise InvalidInput(f"A search may have {MAX_SEARCH_LENGTH:,} characters.")
    if query.created_date is not None:
        try:
            valid = date.fromisoformat(query.created_date).isoformat() == query.created_date
        except ValueError:
            valid = False
        if not valid:
            raise InvalidInput(f"{query.created_date[:40]!r} is no day; write it as YYYY-MM-DD.")


def _item(picture: ImageDTO) -> GalleryItem:
    return GalleryItem(
        kind=GalleryItemKind.Image,
        name=picture.image_name,
        full_url=picture.image_url,
        thumbnail_url=picture.thumbnail_url,
        width=picture.width,
        height=picture.height,
        category=picture.image_category,
        starred=picture.starred,
        is_intermediate=picture.is_intermediate,
        board_id=picture.board_id,
        created_at=picture.created_at,
    )
