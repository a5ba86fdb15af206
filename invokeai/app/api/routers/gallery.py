"""The gallery: names in order, and the entries themselves."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.api.json_answer import JsonAnswer
from invokeai.app.api.routers.gallery_parameters import (
    BoardId,
    Categories,
    IsIntermediate,
    Limit,
    Offset,
    OrderDir,
    Origin,
    SearchTerm,
    StarredFirst,
)
from invokeai.app.services.gallery.gallery import GalleryQuery
from invokeai.app.services.gallery.gallery_models import GalleryItem, GalleryItemNames, GalleryItemNamesResult
from invokeai.app.services.image_records.image_record_store import ItemNames
from invokeai.app.services.shared.pagination import OffsetPaginatedResults, SQLiteDirection

gallery_router = APIRouter(prefix="/v1/gallery", tags=["gallery"])


@gallery_router.get("/items/", operation_id="list_gallery_items")
async def list_gallery_items(
    services: ServicesDep,
    origin: Origin = None,
    categories: Categories = None,
    is_intermediate: IsIntermediate = None,
    board_id: BoardId = None,
    offset: Offset = 0,
    limit: Limit = 10,
    order_dir: OrderDir = SQLiteDirection.Descending,
    starred_first: StarredFirst = True,
    search_term: SearchTerm = None,
) -> OffsetPaginatedResults[GalleryItem]:
    """A slice of a gallery."""
    query = GalleryQuery(
        board_id=board_id,
        origin=origin,
        categories=categories,
        is_intermediate=is_intermediate,
        search_term=search_term,
        order_dir=order_dir,
        starred_first=starred_first,
    )
    return await services.gallery.page(query, offset, limit)


@gallery_router.get("/item_names", operation_id="list_gallery_item_names", response_model=GalleryItemNames)
async def list_gallery_item_names(
    services: ServicesDep,
    origin: Origin = None,
    categories: Categories = None,
    is_intermediate: IsIntermediate = None,
    board_id: BoardId = None,
    created_date: Annotated[str | None, Query(description="A day (UTC) as YYYY-MM-DD.")] = None,
    order_dir: OrderDir = SQLiteDirection.Descending,
    starred_first: StarredFirst = True,
    search_term: SearchTerm = None,
) -> Response:
    """Names of a gallery in order."""
    query = GalleryQuery(
        board_id=board_id,
        origin=origin,
        categories=categories,
        is_intermediate=is_intermediate,
        search_term=search_term,
        created_date=created_date,
        order_dir=order_dir,
        starred_first=starred_first,
    )
    # JSON that the database made: a gallery may have hundreds of thousands of names
    return Response(await services.gallery.names_json(query), media_type="application/json")


@gallery_router.get("/items/names", operation_id="get_gallery_item_names", response_model=GalleryItemNamesResult)
async def get_gallery_item_names(
    services: ServicesDep,
    origin: Origin = None,
    categories: Categories = None,
    is_intermediate: IsIntermediate = None,
    board_id: BoardId = None,
    order_dir: OrderDir = SQLiteDirection.Descending,
    starred_first: StarredFirst = True,
    search_term: SearchTerm = None,
) -> Response:
    """Names of a gallery in order, each with its kind."""
    query = GalleryQuery(
        board_id=board_id,
        origin=origin,
        categories=categories,
        is_intermediate=is_intermediate,
        search_term=search_term,
        order_dir=order_dir,
        starred_first=starred_first,
    )
    return with_kinds(await services.gallery.names(query))


def with_kinds(names: ItemNames) -> Response:
    """Names as entries with a kind."""
    items = [{"kind": "image", "name": name} for name in names.item_names]
    return JsonAnswer({"items": items, "starred_count": names.starred_count, "total_count": names.total_count})
