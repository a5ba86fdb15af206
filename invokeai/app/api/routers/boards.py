"""Boards."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query

from invokeai.app.api.auth import CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.boards.board_models import (
    MAX_NAME_LENGTH,
    BoardChanges,
    BoardDTO,
    BoardRecordOrderBy,
    DeleteBoardResult,
)
from invokeai.app.services.image_records.image_kinds import ImageCategory
from invokeai.app.services.shared.pagination import OffsetPaginatedResults, SQLiteDirection

boards_router = APIRouter(prefix="/v1/boards", tags=["boards"])

BoardId = Annotated[str, Path(description="Id of the board.")]
DEFAULT_LIMIT = 10


@boards_router.post("/", operation_id="create_board", status_code=201)
async def create_board(
    services: ServicesDep,
    user: CurrentUserDep,
    board_name: Annotated[str, Query(max_length=MAX_NAME_LENGTH, description="Its name.")],
) -> BoardDTO:
    """Make a board."""
    return await services.boards.create(board_name, user_id=user.user_id)


@boards_router.get("/", operation_id="list_boards")
async def list_boards(
    services: ServicesDep,
    user: CurrentUserDep,
    order_by: Annotated[BoardRecordOrderBy, Query(description="Order.")] = BoardRecordOrderBy.CreatedAt,
    direction: Annotated[SQLiteDirection, Query(description="Direction of the order.")] = SQLiteDirection.Descending,
    all: Annotated[bool | None, Query(description="All of them as a plain list.")] = None,
    offset: Annotated[int | None, Query(ge=0, le=2**31, description="Boards to skip.")] = None,
    limit: Annotated[int | None, Query(ge=0, le=10_000, description="Boards to answer.")] = None,
    include_archived: Annotated[bool, Query(description="Archived ones too.")] = False,
) -> OffsetPaginatedResults[BoardDTO] | list[BoardDTO]:
    """The boards, with counts and covers."""
    if all:
        return await services.boards.get_all(user.user_id, order_by, direction, include_archived)
    return await services.boards.get_page(
        user.user_id, order_by, direction, include_archived, offset or 0, DEFAULT_LIMIT if limit is None else limit
    )


@boards_router.get("/{board_id}", operation_id="get_board")
async def get_board(services: ServicesDep, board_id: BoardId) -> BoardDTO:
    """One board."""
    return await services.boards.get_dto(board_id)


@boards_router.patch("/{board_id}", operation_id="update_board", status_code=201)
async def update_board(
    services: ServicesDep, board_id: BoardId, changes: Annotated[BoardChanges, Body(description="What to change.")]
) -> BoardDTO:
    """Change a board."""
    return await services.boards.update(board_id, changes)


@boards_router.delete("/{board_id}", operation_id="delete_board")
async def delete_board(
    services: ServicesDep,
    board_id: BoardId,
    include_images: Annotated[bool | None, Query(description="Delete its pictures too.")] = False,
) -> DeleteBoardResult:
    """Delete a board, with or without its pictures."""
    result = await services.boards.delete(board_id, bool(include_images))
    services.invocation_cache.forget(result.deleted_images)
    return result


@boards_router.get("/{board_id}/image_names", operation_id="list_all_board_image_names")
async def list_all_board_image_names(
    services: ServicesDep,
    board_id: BoardId,
    categories: Annotated[list[ImageCategory] | None, Query(description="Categories to take in.")] = None,
    is_intermediate: Annotated[bool | None, Query(description="Only intermediates, or none of them.")] = None,
) -> list[str]:
    """Names of the pictures on a board; `none` means on no board."""
    return await services.boards.get_image_names(board_id, categories, is_intermediate)
