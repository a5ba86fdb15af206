"""SQL of boards and of the pictures on them. Every method is one round trip.

Counts come from `image_counts`, covers from the index that holds a board in order of time: no list scans the images.
"""

from collections.abc import Sequence

from invokeai.app.services.boards.board_models import BoardChanges, BoardRecordOrderBy
from invokeai.app.services.image_records.image_kinds import ImageCategory
from invokeai.app.services.shared.database.base import Database, Row, SqlValue, Statement
from invokeai.app.services.shared.pagination import SQLiteDirection
from invokeai.app.services.shared.sql_lists import json_list

_NEWEST = (
    "SELECT * FROM (SELECT image_name, created_at FROM images WHERE board_id = b.board_id AND is_intermediate = 0 "
    "AND starred = {starred} ORDER BY created_at DESC LIMIT 1)"
)
# the chosen cover while it is on the board, else the newest picture, starred or not
_COVER = (
    "coalesce((SELECT i.image_name FROM images AS i WHERE i.image_name = b.cover_image_name "
    "AND i.board_id = b.board_id), (SELECT image_name FROM "
    f"({_NEWEST.format(starred=0)} UNION ALL {_NEWEST.format(starred=1)}) ORDER BY created_at DESC LIMIT 1))"
)
_COUNT = (
    "(SELECT coalesce(sum(c.images), 0) FROM image_counts AS c WHERE c.board_id = b.board_id "
    "AND c.is_intermediate = 0 AND c.image_category {} 'general')"
)
_SELECT = (
    "SELECT b.board_id, b.board_name, b.user_id, b.created_at, b.updated_at, b.deleted_at, b.archived, "
    f"b.board_visibility, {_COVER} AS cover_image_name, {_COUNT.format('=')} AS image_count, "
    f"{_COUNT.format('<>')} AS asset_count FROM boards AS b"
)
_GET = f"{_SELECT} WHERE b.board_id = ?"
_INSERT = "INSERT INTO boards (board_id, board_name, user_id, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"
_UPDATE = (
    "UPDATE boards SET board_name = coalesce(?, board_name), cover_image_name = coalesce(?, cover_image_name), "
    "archived = coalesce(?, archived), board_visibility = coalesce(?, board_visibility), updated_at = ? "
    "WHERE board_id = ?"
)
_SEEN = "(b.user_id = ? OR b.board_visibility <> 'private')"
_EXISTS = "SELECT 1 AS found FROM boards WHERE board_id = ?"
_NAMES = "SELECT image_name FROM images WHERE board_id = ? ORDER BY created_at, image_name"
_DELETE = "DELETE FROM boards WHERE board_id = ? RETURNING board_id"
_OLD_BOARDS = (
    "SELECT image_name, coalesce(board_id, 'none') AS board_id FROM images "
    "WHERE image_name IN (SELECT value FROM json_each(?))"
)
_MOVE = (
    "UPDATE images SET board_id = ? WHERE image_name IN (SELECT value FROM json_each(?)) "
    "AND EXISTS (SELECT 1 FROM boards WHERE board_id = ?)"
)
_FREE = "UPDATE images SET board_id = NULL WHERE image_name IN (SELECT value FROM json_each(?))"


class BoardRecords:
    """Rows of boards, with counts and cover."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, board_id: str, board_name: str, user_id: str, now: str) -> Row:
        """A new board."""
        results = await self._database.batch(
            [Statement(_INSERT, (board_id, board_name, user_id, now, now)), Statement(_GET, (board_id,))]
        )
        return results[1].rows[0]

    async def get(self, board_id: str) -> Row | None:
        """One board."""
        return await self._database.fetch_one(_GET, board_id)

    async def update(self, board_id: str, changes: BoardChanges, now: str) -> Row | None:
        """Change what is not None; the board afterwards, or None when it is not there."""
        archived = None if changes.archived is None else int(changes.archived)
        params = (changes.board_name, changes.cover_image_name, archived, changes.board_visibility, now, board_id)
        results = await self._database.batch([Statement(_UPDATE, params), Statement(_GET, (board_id,))])
        return results[1].rows[0] if results[1].rows else None

    async def page(
        self,
        user_id: str,
        order_by: BoardRecordOrderBy,
        direction: SQLiteDirection,
        include_archived: bool,
        limit: int,
        offset: int,
    ) -> tuple[int, list[Row]]:
        """How many boards the user sees, and those of one page. `limit` -1 means all."""
        where = _SEEN if include_archived else f"{_SEEN} AND b.archived = 0"
        order = f"ORDER BY b.{order_by.value} COLLATE NOCASE {direction.value}, b.board_id"
        counted, listed = await self._database.batch(
            [
                Statement(f"SELECT count(*) AS n FROM boards AS b WHERE {where}", (user_id,)),
                Statement(f"{_SELECT} WHERE {where} {order} LIMIT ? OFFSET ?", (user_id, limit, offset)),
            ]
        )
        return int(str(counted.rows[0]["n"])), listed.rows

    async def image_names(
        self, board_id: str | None, categories: Sequence[ImageCategory] | None, is_intermediate: bool | None
    ) -> list[str] | None:
        """Names of the board's pictures, oldest first; None when the board is not there. None means uncategorised."""
        where, params = "board_id IS ?", [board_id]
        if categories is not None:
            where += " AND image_category IN (SELECT value FROM json_each(?))"
            params.append(json_list(categories))
        if is_intermediate is not None:
            where += f" AND is_intermediate = {int(is_intermediate)}"
        names = f"SELECT image_name FROM images WHERE {where} ORDER BY created_at, image_name"
        board, found = await self._database.batch(
            [Statement(_EXISTS, (board_id,)), Statement(names, tuple[SqlValue, ...](params))]
        )
        if board_id is not None and not board.rows:
            return None
        return [str(row["image_name"]) for row in found.rows]

    async def delete(self, board_id: str) -> list[str] | None:
        """Remove a board; its pictures stay, on no board. Their names, or None when the board is not there."""
        names, gone = await self._database.batch([Statement(_NAMES, (board_id,)), Statement(_DELETE, (board_id,))])
        return [str(row["image_name"]) for row in names.rows] if gone.rows else None

    async def move(self, image_names: Sequence[str], board_id: str) -> dict[str, str] | None:
        """Put pictures on a board; where each was before (`none` for nowhere), or None when the board is not there."""
        names = json_list(image_names)
        board, old, _ = await self._database.batch(
            [
                Statement(_EXISTS, (board_id,)),
                Statement(_OLD_BOARDS, (names,)),
                Statement(_MOVE, (board_id, names, board_id)),
            ]
        )
        return _places(old.rows) if board.rows else None

    async def free(self, image_names: Sequence[str]) -> dict[str, str]:
        """Take pictures off their boards; where each was before."""
        names = json_list(image_names)
        old, _ = await self._database.batch([Statement(_OLD_BOARDS, (names,)), Statement(_FREE, (names,))])
        return _places(old.rows)


def _places(rows: Sequence[Row]) -> dict[str, str]:
    return {str(row["image_name"]): str(row["board_id"]) for row in rows}
