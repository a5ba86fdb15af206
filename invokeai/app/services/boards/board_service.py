"""Boards. A picture is on at most one board; the id `none` stands for pictures on no board."""

from collections.abc import Sequence
from uuid import uuid4

from invokeai.app.services.boards.board_models import (
    MAX_NAME_LENGTH,
    UNCATEGORISED,
    BoardChanges,
    BoardDTO,
    BoardRecordOrderBy,
    BoardVisibility,
    DeleteBoardResult,
)
from invokeai.app.services.boards.board_records import BoardRecords
from invokeai.app.services.image_records.image_kinds import ImageCategory
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.shared.database.base import Row
from invokeai.app.services.shared.errors import InvalidInput, NotFound
from invokeai.app.services.shared.pagination import OffsetPaginatedResults, SQLiteDirection
from invokeai.app.services.shared.timestamps import timestamp

SYSTEM_USER = "system"
_MISSING = "Board not found"


class BoardService:
    """Boards of the users."""

    def __init__(self, records: BoardRecords, images: ImageService) -> None:
        self._records = records
        self._images = images

    async def create(self, board_name: str, *, user_id: str = SYSTEM_USER) -> BoardDTO:
        """A new board. Raises InvalidInput. One round trip."""
        _check_name(board_name)
        return _dto(await self._records.insert(str(uuid4()), board_name, user_id, timestamp()))

    async def get_dto(self, board_id: str) -> BoardDTO:
        """One board. Raises NotFound. One round trip."""
        row = await self._records.get(board_id)
        if row is None:
            raise NotFound(_MISSING)
        return _dto(row)

    async def get_all(
        self,
        user_id: str = SYSTEM_USER,
        order_by: BoardRecordOrderBy = BoardRecordOrderBy.CreatedAt,
        direction: SQLiteDirection = SQLiteDirection.Descending,
        include_archived: bool = False,
    ) -> list[BoardDTO]:
        """Every board the user sees, with counts and cover. One round trip."""
        _, rows = await self._records.page(user_id, order_by, direction, include_archived, -1, 0)
        return [_dto(row) for row in rows]

    async def get_page(
        self,
        user_id: str,
        order_by: BoardRecordOrderBy,
        direction: SQLiteDirection,
        include_archived: bool,
        offset: int,
        limit: int,
    ) -> OffsetPaginatedResults[BoardDTO]:
        """A slice of the boards. One round trip."""
        total, rows = await self._records.page(user_id, order_by, direction, include_archived, limit, offset)
        return OffsetPaginatedResults(limit=limit, offset=offset, total=total, items=[_dto(row) for row in rows])

    async def update(self, board_id: str, changes: BoardChanges) -> BoardDTO:
        """Change a board. Raises InvalidInput, NotFound. One round trip."""
        if changes.board_name is not None:
            _check_name(changes.board_name)
        row = await self._records.update(board_id, changes, timestamp())
        if row is None:
            raise NotFound(_MISSING)
        return _dto(row)

    async def get_image_names(
        self,
        board_id: str,
        categories: Sequence[ImageCategory] | None = None,
        is_intermediate: bool | None = None,
    ) -> list[str]:
        """Names of the pictures on a board (`none`: on no board), oldest first. Raises NotFound. One round trip."""
        board = None if board_id == UNCATEGORISED else board_id
        names = await self._records.image_names(board, categories, is_intermediate)
        if names is None:
            raise NotFound(_MISSING)
        return names

    async def delete(self, board_id: str, include_images: bool = False) -> DeleteBoardResult:
        """Remove a board and, if asked, its pictures; else these are on no board afterwards.

        Raises NotFound. One round trip, two with the pictures.
        """
        if board_id == UNCATEGORISED:
            raise NotFound(_MISSING)
        deleted = (await self._images.delete_on_board(board_id)).deleted_images if include_images else []
        left = await self._records.delete(board_id)
        if left is None:
            raise NotFound(_MISSING)
        return DeleteBoardResult(board_id=board_id, deleted_board_images=left, deleted_images=deleted)


def _check_name(board_name: str) -> None:
    if len(board_name) > MAX_NAME_LENGTH:
        raise InvalidInput(f"A board's name may have {MAX_NAME_LENGTH} characters, this one has {len(board_name):,}.")
    if not board_name.strip():
        raise InvalidInput("A board needs a name.")


def _dto(row: Row) -> BoardDTO:
    return BoardDTO(
        board_id=str(row["board_id"]),
        board_name=str(row["board_name"]),
        user_id=str(row["user_id"]),
        created_at=str(row["created_at"]),
        updated_at=str(row["updated_at"]),
        deleted_at=None if row["deleted_at"] is None else str(row["deleted_at"]),
        cover_image_name=None if row["cover_image_name"] is None else str(row["cover_image_name"]),
        archived=bool(row["archived"]),
        board_visibility=BoardVisibility(str(row["board_visibility"])),
        image_count=int(str(row["image_count"])),
        asset_count=int(str(row["asset_count"])),
        owner_username="System" if row["user_id"] == SYSTEM_USER else None,
    )
