"""Moves pictures between boards. What is not there is reported, not an error; an unknown board is one."""

from collections.abc import Sequence

from invokeai.app.services.boards.board_models import (
    UNCATEGORISED,
    AddImagesToBoardResult,
    RemoveImagesFromBoardResult,
)
from invokeai.app.services.boards.board_records import BoardRecords
from invokeai.app.services.shared.errors import NotFound


class BoardImagesService:
    """Which picture is on which board. Every method is one round trip."""

    def __init__(self, records: BoardRecords) -> None:
        self._records = records

    async def add(self, image_names: Sequence[str], board_id: str) -> AddImagesToBoardResult:
        """Put pictures on a board, off the one they were on; the board `none` means on no board. Raises NotFound."""
        if board_id == UNCATEGORISED:
            places: dict[str, str] | None = await self._records.free(image_names)
        else:
            places = await self._records.move(image_names, board_id)
        if places is None:
            raise NotFound("Board not found")
        added, failed = _split(image_names, places)
        return AddImagesToBoardResult(
            affected_boards=_affected(board_id, places), added_images=added, failed_images=failed
        )

    async def remove(self, image_names: Sequence[str]) -> RemoveImagesFromBoardResult:
        """Take pictures off their boards."""
        places = await self._records.free(image_names)
        removed, failed = _split(image_names, places)
        return RemoveImagesFromBoardResult(
            affected_boards=_affected(UNCATEGORISED, places), removed_images=removed, failed_images=failed
        )


def _split(image_names: Sequence[str], places: dict[str, str]) -> tuple[list[str], list[str]]:
    unique = list(dict.fromkeys(image_names))
    return [name for name in unique if name in places], [name for name in unique if name not in places]


def _affected(board_id: str, places: dict[str, str]) -> list[str]:
    """The board first, then those that lost pictures to it."""
    return list(dict.fromkeys([board_id, *places.values()])) if places else []
