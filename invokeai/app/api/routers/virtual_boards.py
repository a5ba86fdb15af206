"""Days shown as boards."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.api.json_answer import JsonAnswer
from invokeai.app.api.routers.gallery import with_kinds
from invokeai.app.api.routers.gallery_parameters import Categories, OrderDir, SearchTerm, StarredFirst
from invokeai.app.services.gallery.gallery import GalleryQuery
from invokeai.app.services.gallery.gallery_models import GalleryItemNamesResult, VirtualSubBoardDTO
from invokeai.app.services.images.image_results import ImageNamesResult
from invokeai.app.services.shared.pagination import SQLiteDirection

virtual_boards_router = APIRouter(prefix="/v1/virtual_boards", tags=["virtual_boards"])

Day = Annotated[str, Path(description="A day (UTC) as YYYY-MM-DD.")]


@virtual_boards_router.get("/by_date", operation_id="list_virtual_boards_by_date")
async def list_virtual_boards_by_date(services: ServicesDep) -> list[VirtualSubBoardDTO]:
    """The days that have pictures, newest first."""
    return await services.gallery.days()


@virtual_boards_router.get(
    "/by_date/{date}/image_names",
    operation_id="list_virtual_board_image_names_by_date",
    response_model=ImageNamesResult,
)
async def list_virtual_board_image_names_by_date(
    services: ServicesDep,
    date: Day,
    starred_first: StarredFirst = True,
    order_dir: OrderDir = SQLiteDirection.Descending,
    categories: Categories = None,
    search_term: SearchTerm = None,
) -> Response:
    """Names of a day's pictures in order."""
    names = await services.gallery.names(_query(date, starred_first, order_dir, categories, search_term))
    return JsonAnswer(
        {
            "image_names": names.item_names,
            "starred_count": names.starred_count,
            "total_count": names.total_count,
        }
    )


@virtual_boards_router.get(
    "/by_date/{date}/item_names",
    operation_id="list_virtual_board_item_names_by_date",
    response_model=GalleryItemNamesResult,
)
async def list_virtual_board_item_names_by_date(
    services: ServicesDep,
    date: Day,
    starred_first: StarredFirst = True,
    order_dir: OrderDir = SQLiteDirection.Descending,
    categories: Categories = None,
    search_term: SearchTerm = None,
) -> Response:
    """Names of a day's entries in order, each with its kind."""
    return with_kinds(await services.gallery.names(_query(date, starred_first, order_dir, categories, search_term)))


def _query(
    day: str, starred_first: bool, order_dir: SQLiteDirection, categories: Categories, search_term: str | None
) -> GalleryQuery:
    return GalleryQuery(
        categories=categories,
        is_intermediate=False,
        search_term=search_term,
        created_date=day,
        order_dir=order_dir,
        starred_first=starred_first,
    )
