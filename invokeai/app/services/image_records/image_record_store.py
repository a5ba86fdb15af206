"""The records of pictures. Every method says its round trips; none reads more rows than it answers with.

A write is safe to repeat: names are made before it, values are absolute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from invokeai.app.services.image_records import image_sql as sql
from invokeai.app.services.image_records.image_dto import ImageDTO
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.image_records.image_sql import ImageFilter
from invokeai.app.services.shared.database.base import Database, Row, SqlValue, Statement
from invokeai.app.services.shared.pagination import SQLiteDirection
from invokeai.app.services.shared.timestamps import timestamp

_ASCENDING, _DESCENDING = SQLiteDirection.Ascending, SQLiteDirection.Descending


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """A record to insert. `metadata` is JSON text."""

    image_name: str
    image_origin: ResourceOrigin
    image_category: ImageCategory
    width: int
    height: int
    session_id: str | None = None
    node_id: str | None = None
    is_intermediate: bool = False
    has_workflow: bool = False
    board_id: str | None = None
    user_id: str = "system"
    metadata: str | None = None
    created_at: str = field(default_factory=timestamp)


@dataclass(frozen=True, slots=True)
class ItemNames:
    """A gallery's names in order, and how many of them are starred."""

    item_names: list[str]
    starred_count: int
    total_count: int


@dataclass(frozen=True, slots=True)
class DaySummary:
    """What a day (YYYY-MM-DD) added to the gallery."""

    date: str
    image_count: int
    asset_count: int
    cover_image_name: str


@dataclass(frozen=True, slots=True)
class NameAndBoard:
    """A picture and the board it is (or was) on, `none` for no board."""

    image_name: str
    board_id: str


@dataclass(frozen=True, slots=True)
class CategorisedName:
    """A picture and its category."""

    image_name: str
    image_category: str


class ImageRecordStore:
    """The table `images`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, image: NewImage) -> ImageDTO:
        """Insert unless the name is there already; the record as it stands. One round trip."""
        params = (
            image.image_name,
            str(image.image_origin),
            str(image.image_category),
            image.width,
            image.height,
            image.session_id,
            image.node_id,
            int(image.is_intermediate),
            int(image.has_workflow),
            image.board_id,
            image.user_id,
            image.created_at,
            image.created_at,
            image.metadata,
        )
        results = await self._database.batch(
            [Statement(sql.INSERT_IMAGE, params), Statement(sql.SELECT_DTO, (image.image_name,))]
        )
        return ImageDTO.model_validate_json(_text(results[1].rows[0], "dto"))

    async def get_json(self, image_name: str) -> str | None:
        """The picture's ImageDTO as JSON text, or None. One round trip."""
        row = await self._database.fetch_one(sql.SELECT_DTO, image_name)
        return _text(row, "dto") if row else None

    async def get_many_json(self, image_names: Sequence[str]) -> list[str]:
        """ImageDTOs as JSON texts, in the order asked for, without the names that are unknown. One round trip."""
        rows = await self._database.fetch(sql.SELECT_DTOS, _json(image_names))
        return [_text(row, "dto") for row in rows]

    async def get_metadata(self, image_name: str) -> tuple[bool, str | None]:
        """Whether the picture exists, and its metadata as JSON text. One round trip."""
        row = await self._database.fetch_one(sql.SELECT_METADATA, image_name)
        return row is not None, _text(row, "metadata") if row and row["metadata"] else None

    async def page_json(
        self,
        where: ImageFilter,
        *,
        offset: int = 0,
        limit: int = 10,
        order_dir: SQLiteDirection = _DESCENDING,
        starred_first: bool = True,
    ) -> str:
        """A page of ImageDTOs as the JSON text of OffsetPaginatedResults. One round trip."""
        count = Statement(*where.count())
        if limit == 0:
            total = _int((await self._database.fetch(count.sql, *count.params))[0], "total")
            return f'{{"limit":0,"offset":{offset},"total":{total},"items":[]}}'
        page = sql.page(where, order_dir, starred_first, limit, offset)
        counted, paged = await self._database.batch([count, Statement(*page)])
        items = _text(paged.rows[0], "items") if paged.rows[0]["items"] else ""
        total = _int(counted.rows[0], "total")
        return f'{{"limit":{limit},"offset":{offset},"total":{total},"items":[{items}]}}'

    async def item_names(
        self,
        board_id: str | None = None,
        categories: Sequence[ImageCategory] | None = None,
        is_intermediate: bool | None = None,
        order_dir: SQLiteDirection = _DESCENDING,
        starred_first: bool = True,
        search_term: str | None = None,
        created_date: str | None = None,
        image_origin: ResourceOrigin | None = None,
    ) -> ItemNames:
        """Every name of a gallery in order (`board_id` 'none': on no board; None: any). One round trip."""
        where = ImageFilter(
            board_id=board_id,
            categories=categories,
            is_intermediate=is_intermediate,
            search_term=search_term,
            created_date=created_date,
            image_origin=image_origin,
        )
        condition, params = where.where()
        order = sql.ordered(order_dir, starred_first)
        rows = await self._database.fetch(
            f"SELECT image_name, starred FROM images WHERE {condition} ORDER BY {order}", *params
        )
        names = [_text(row, "image_name") for row in rows]
        return ItemNames(names, sum(1 for row in rows if row["starred"]), len(names))

    async def names_json(
        self,
        where: ImageFilter,
        order_dir: SQLiteDirection = _DESCENDING,
        starred_first: bool = True,
        key: str = "item_names",
    ) -> str:
        """`{key: [names], "starred_count", "total_count"}` as JSON text. One round trip.

        The usual order of up to `NAMES_PAGES * NAMES_A_PAGE` names is joined by the database, a page a row, as a row
        may have 2 MB; what lies beyond takes one more round trip.
        """
        count = Statement(*where.count())
        if order_dir == _ASCENDING or not starred_first or where.search_term or where.created_date:
            condition, params = where.where()
            order = sql.ordered(order_dir, starred_first)
            names_sql = f"SELECT image_name, starred FROM images WHERE {condition} ORDER BY {order}"
            rows = await self._database.fetch(names_sql, *params)
            starred, total = sum(1 for row in rows if row["starred"]), len(rows)
            pages = ['"' + '","'.join(_text(row, "image_name") for row in rows) + '"'] if rows else []
        else:
            first = [Statement(*sql.names_page(where, number)) for number in range(sql.NAMES_PAGES)]
            counted, *found = await self._database.batch([count, *first])
            starred, total = _int(counted.rows[0], "starred"), _int(counted.rows[0], "total")
            needed = -(-total // sql.NAMES_A_PAGE)
            if needed > sql.NAMES_PAGES:
                rest = range(sql.NAMES_PAGES, needed)
                found += await self._database.batch([Statement(*sql.names_page(where, number)) for number in rest])
            pages = [_text(page.rows[0], "names") for page in found if page.rows[0]["names"]]
        return f'{{"{key}":[{",".join(pages)}],"starred_count":{starred},"total_count":{total}}}'

    async def days(self) -> list[DaySummary]:
        """Days that have pictures, newest first. One round trip."""
        rows = await self._database.fetch(sql.SELECT_DAYS)
        return [
            DaySummary(
                _text(row, "date"), _int(row, "image_count"), _int(row, "asset_count"), _text(row, "cover_image_name")
            )
            for row in rows
        ]

    async def update(
        self,
        image_name: str,
        *,
        image_category: ImageCategory | None = None,
        session_id: str | None = None,
        is_intermediate: bool | None = None,
        starred: bool | None = None,
    ) -> ImageDTO | None:
        """Set what is not None; the record after it, or None when there is none. One round trip."""
        params = (
            str(image_category) if image_category else None,
            session_id,
            None if is_intermediate is None else int(is_intermediate),
            None if starred is None else int(starred),
            timestamp(),
            image_name,
        )
        results = await self._database.batch(
            [Statement(sql.UPDATE_IMAGE, params), Statement(sql.SELECT_DTO, (image_name,))]
        )
        rows = results[1].rows
        return ImageDTO.model_validate_json(_text(rows[0], "dto")) if rows else None

    async def set_starred(self, image_names: Sequence[str], starred: bool) -> list[NameAndBoard]:
        """Star or unstar; the pictures found. One round trip."""
        rows = await self._database.fetch(sql.UPDATE_STARRED, int(starred), timestamp(), _json(image_names))
        return _names_and_boards(rows)

    async def set_board(self, image_names: Sequence[str], board_id: str | None) -> list[NameAndBoard]:
        """Move to the board (None: to no board); the pictures found with the board they were on. One round trip.

        Raises:
            DatabaseConflict: there is no such board.
        """
        names = _json(image_names)
        results = await self._database.batch(
            [
                Statement(sql.SELECT_BOARDS_OF, (names,)),
                Statement(sql.UPDATE_BOARD, (board_id, timestamp(), names)),
            ]
        )
        return _names_and_boards(results[0].rows)

    async def delete(self, image_names: Sequence[str]) -> list[NameAndBoard]:
        """Delete records; the ones that were there. One round trip."""
        return _names_and_boards(await self._database.fetch(sql.DELETE_NAMED, _json(image_names)))

    async def delete_on_board(self, board_id: str) -> list[NameAndBoard]:
        """Delete the records of a board; `none`: of no board, intermediates stay. One round trip."""
        if board_id == sql.UNCATEGORIZED:
            return _names_and_boards(await self._database.fetch(sql.DELETE_UNCATEGORIZED))
        return _names_and_boards(await self._database.fetch(sql.DELETE_ON_BOARD, board_id))

    async def delete_intermediates(self) -> list[NameAndBoard]:
        """Delete the records of intermediates. One round trip."""
        return _names_and_boards(await self._database.fetch(sql.DELETE_INTERMEDIATES))

    async def intermediates_count(self) -> int:
        """How many intermediates there are. One round trip."""
        return _int((await self._database.fetch(sql.COUNT_INTERMEDIATES))[0], "total")

    async def boards_of(self, image_names: Sequence[str]) -> list[NameAndBoard]:
        """The pictures among `image_names` that have a record. One round trip."""
        return _names_and_boards(await self._database.fetch(sql.SELECT_BOARDS_OF, _json(image_names)))

    async def categories_of(self, image_names: Sequence[str], board_id: str | None = None) -> list[CategorisedName]:
        """The pictures named, or those of the board (`none`: of no board), with their category. One round trip."""
        if board_id is None:
            rows = await self._database.fetch(sql.SELECT_CATEGORIES_OF, _json(image_names))
        elif board_id == sql.UNCATEGORIZED:
            rows = await self._database.fetch(sql.SELECT_CATEGORIES_UNCATEGORIZED)
        else:
            rows = await self._database.fetch(sql.SELECT_CATEGORIES_ON_BOARD, board_id)
        return [CategorisedName(_text(row, "image_name"), _text(row, "image_category")) for row in rows]

    async def board_name(self, board_id: str) -> str | None:
        """The board's name (`none` has one too), or None when there is no such board. One round trip."""
        if board_id == sql.UNCATEGORIZED:
            return "Uncategorized"
        row = await self._database.fetch_one(sql.SELECT_BOARD_NAME, board_id)
        return _text(row, "board_name") if row else None


def _json(names: Sequence[str]) -> str:
    return orjson.dumps(list(names)).decode()


def _text(row: Row, column: str) -> str:
    return str(row[column])


def _int(row: Row, column: str) -> int:
    return int(row[column] or 0)


def _names_and_boards(rows: Sequence[Mapping[str, SqlValue]]) -> list[NameAndBoard]:
    return [NameAndBoard(_text(row, "image_name"), _text(row, "board_id")) for row in rows]
