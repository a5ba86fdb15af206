"""The record store on every engine: one round trip a method, and lists in the right order."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from invokeai.app.services.image_records import image_sql
from invokeai.app.services.image_records.image_dto import ImageDTO
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.image_records.image_record_store import ImageRecordStore, NewImage
from invokeai.app.services.image_records.image_sql import BOARD_SUMMARY_COLUMNS, ImageFilter
from invokeai.app.services.shared.database.base import Database, DatabaseConflict
from invokeai.app.services.shared.pagination import SQLiteDirection
from tests.app.services.shared.database.counting_database import CountingDatabase

GENERAL, USER, MASK = ImageCategory.GENERAL, ImageCategory.USER, ImageCategory.MASK
INSERT_BOARD = "INSERT INTO boards (board_id, board_name, created_at, updated_at) VALUES (?, ?, '', '')"


class Gallery:
    """A store on a counting database."""

    def __init__(self, database: Database) -> None:
        self.database = CountingDatabase(database)
        self.store = ImageRecordStore(self.database)

    async def add(self, name: str, day: int = 1, starred: bool = False, **values: Any) -> ImageDTO:
        record: dict[str, Any] = {
            "image_origin": ResourceOrigin.INTERNAL,
            "image_category": GENERAL,
            "width": 64,
            "height": 32,
            "created_at": f"2026-01-{day:02d} 10:00:00.000",
            **values,
        }
        dto = await self.store.insert(NewImage(image_name=name, **record))
        if starred:
            await self.store.set_starred([name], True)
        return dto

    async def page(self, where: ImageFilter, **options: Any) -> tuple[int, list[str]]:
        page = orjson.loads(await self.store.page_json(where, **options))
        return page["total"], [item["image_name"] for item in page["items"]]

    async def names(self, where: ImageFilter, *order: Any) -> list[str]:
        found = orjson.loads(await self.store.names_json(where, *order))
        assert found["total_count"] == len(found["item_names"])
        return list(found["item_names"])


@pytest.fixture
async def gallery(any_database: Database) -> AsyncIterator[Gallery]:
    await any_database.execute(INSERT_BOARD, "trees", "Trees")
    yield Gallery(any_database)


async def fill(gallery: Gallery) -> None:
    await gallery.add("a.png", 1)
    await gallery.add("b.png", 2, starred=True)
    await gallery.add("c.png", 3, metadata='{"positive_prompt":"A Red Balloon"}')
    await gallery.add("d.png", 3, image_category=USER, image_origin=ResourceOrigin.EXTERNAL)
    await gallery.add("e.png", 4, is_intermediate=True)
    await gallery.add("f.png", 5, board_id="trees")


async def test_an_inserted_record_comes_back_whole(gallery: Gallery) -> None:
    with gallery.database.counted() as trips:
        dto = await gallery.add(
            "a.png", session_id='s"\\é\n', node_id="n", has_workflow=True, is_intermediate=True, board_id="trees"
        )
    assert trips.count == 1
    assert dto == ImageDTO(
        image_name="a.png",
        image_url="api/v1/images/i/a.png/full",
        thumbnail_url="api/v1/images/i/a.png/thumbnail",
        image_origin=ResourceOrigin.INTERNAL,
        image_category=GENERAL,
        width=64,
        height=32,
        created_at="2026-01-01 10:00:00.000",
        updated_at="2026-01-01 10:00:00.000",
        is_intermediate=True,
        session_id='s"\\é\n',
        node_id="n",
        starred=False,
        has_workflow=True,
        board_id="trees",
    )
    assert orjson.loads(await gallery.store.get_json("a.png") or "") == dto.model_dump(mode="json")


async def test_inserting_again_changes_nothing(gallery: Gallery) -> None:
    first = await gallery.add("a.png", 1, starred=True)
    again = await gallery.add("a.png", 2, width=99, metadata="{}")
    assert (again.width, again.created_at, again.starred) == (first.width, first.created_at, True)
    assert await gallery.page(ImageFilter()) == (1, ["a.png"])


async def test_a_picture_of_a_board_that_is_gone_is_kept_uncategorised(gallery: Gallery) -> None:
    assert (await gallery.add("a.png", board_id="never")).board_id is None


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (ImageFilter(), ["b.png", "f.png", "e.png", "d.png", "c.png", "a.png"]),
        (ImageFilter(board_id="none", categories=[GENERAL], is_intermediate=False), ["b.png", "c.png", "a.png"]),
        (ImageFilter(board_id="none", categories=[USER, MASK], is_intermediate=False), ["d.png"]),
        (ImageFilter(board_id="trees"), ["f.png"]),
        (ImageFilter(board_id="never"), []),
        (ImageFilter(categories=[]), []),
        (ImageFilter(is_intermediate=True), ["e.png"]),
        (ImageFilter(image_origin=ResourceOrigin.EXTERNAL), ["d.png"]),
        (ImageFilter(search_term="red BALLOON"), ["c.png"]),
        (ImageFilter(search_term="2026-01-03"), ["d.png", "c.png"]),
        (ImageFilter(search_term="'; DROP TABLE images; --%"), []),
        (ImageFilter(created_date="2026-01-03"), ["d.png", "c.png"]),
        (ImageFilter(created_date="2026-01-03", categories=[GENERAL]), ["c.png"]),
    ],
)
async def test_filters(gallery: Gallery, where: ImageFilter, expected: list[str]) -> None:
    await fill(gallery)
    with gallery.database.counted() as trips:
        assert await gallery.page(where) == (len(expected), expected)
    assert trips.count == 1
    with gallery.database.counted() as trips:
        assert await gallery.names(where) == expected
    assert trips.count == 1
    assert await gallery.page(where, limit=0) == (len(expected), [])


@pytest.mark.parametrize(
    ("order_dir", "starred_first", "expected"),
    [
        (SQLiteDirection.Descending, True, ["b.png", "f.png", "d.png", "c.png", "a.png"]),
        (SQLiteDirection.Ascending, True, ["b.png", "a.png", "c.png", "d.png", "f.png"]),
        (SQLiteDirection.Descending, False, ["f.png", "d.png", "c.png", "b.png", "a.png"]),
        (SQLiteDirection.Ascending, False, ["a.png", "b.png", "c.png", "d.png", "f.png"]),
    ],
)
async def test_orders(gallery: Gallery, order_dir: SQLiteDirection, starred_first: bool, expected: list[str]) -> None:
    await fill(gallery)
    where = ImageFilter(is_intermediate=False)
    options: dict[str, Any] = {"order_dir": order_dir, "starred_first": starred_first}
    assert await gallery.page(where, **options) == (5, expected)
    assert await gallery.page(where, limit=2, offset=1, **options) == (5, expected[1:3])
    assert await gallery.page(where, offset=99, **options) == (5, [])
    assert await gallery.names(where, order_dir, starred_first) == expected
    items = await gallery.store.item_names(None, None, False, order_dir, starred_first)
    assert (items.item_names, items.starred_count, items.total_count) == (expected, 1, 5)


async def test_names_beyond_the_first_pages(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_sql, "NAMES_A_PAGE", 2)
    monkeypatch.setattr(image_sql, "NAMES_PAGES", 2)
    names = [f"{number:02d}.png" for number in range(9)]
    for name in names:
        await gallery.add(name)
    with gallery.database.counted() as trips:
        assert await gallery.names(ImageFilter()) == names[::-1]
    assert trips.count == 2


async def test_counts_follow_every_change(gallery: Gallery) -> None:
    async def totals() -> list[int]:
        filters = (
            ImageFilter(board_id="none"),
            ImageFilter(board_id="trees"),
            ImageFilter(is_intermediate=True),
            ImageFilter(categories=[USER]),
        )
        return [(await gallery.page(where, limit=0))[0] for where in filters]

    for name in ("a.png", "b.png", "c.png"):
        await gallery.add(name)
    assert await totals() == [3, 0, 0, 0]
    await gallery.store.set_board(["a.png", "b.png"], "trees")
    assert await totals() == [1, 2, 0, 0]
    await gallery.store.update("a.png", is_intermediate=True, image_category=USER)
    assert await totals() == [1, 2, 1, 1]
    await gallery.database.execute("DELETE FROM boards")
    assert await totals() == [3, 0, 1, 1]
    await gallery.store.delete(["a.png", "c.png"])
    assert await totals() == [1, 0, 0, 0]


async def test_records_by_name_come_in_the_order_asked_for(gallery: Gallery) -> None:
    await fill(gallery)
    with gallery.database.counted() as trips:
        found = await gallery.store.get_many_json(["d.png", "never.png", "a.png", "c.png"])
    assert trips.count == 1
    assert [orjson.loads(text)["image_name"] for text in found] == ["d.png", "a.png", "c.png"]
    assert await gallery.store.get_many_json([]) == []
    assert await gallery.store.get_json("never.png") is None


async def test_update_sets_what_is_given(gallery: Gallery) -> None:
    await gallery.add("a.png", session_id="s")
    with gallery.database.counted() as trips:
        dto = await gallery.store.update("a.png", starred=True, image_category=MASK)
    assert trips.count == 1
    assert dto and (dto.starred, dto.image_category, dto.session_id) == (True, MASK, "s")
    assert dto.updated_at > dto.created_at
    assert await gallery.store.update("never.png", starred=True) is None


async def test_changes_of_many_are_one_round_trip(gallery: Gallery) -> None:
    names = [f"{number}.png" for number in range(150)]
    for name in names:
        await gallery.add(name)
    with gallery.database.counted() as trips:
        assert len(await gallery.store.set_starred([*names, "never.png"], True)) == 150
        moved = await gallery.store.set_board([*names, "never.png"], "trees")
        deleted = await gallery.store.delete([*names, "never.png"])
    assert trips.count == 3
    assert {picture.board_id for picture in moved} == {"none"}
    assert {picture.board_id for picture in deleted} == {"trees"}
    assert sorted(picture.image_name for picture in deleted) == sorted(names)


async def test_moving_to_an_unknown_board_changes_nothing(gallery: Gallery) -> None:
    await gallery.add("a.png", board_id="trees")
    with pytest.raises(DatabaseConflict):
        await gallery.store.set_board(["a.png"], "never")
    assert [picture.board_id for picture in await gallery.store.boards_of(["a.png"])] == ["trees"]


async def test_deleting_by_board_and_intermediates(gallery: Gallery) -> None:
    await fill(gallery)
    assert await gallery.store.intermediates_count() == 1
    assert [picture.image_name for picture in await gallery.store.delete_on_board("trees")] == ["f.png"]
    assert len(await gallery.store.delete_on_board("none")) == 4
    assert [picture.image_name for picture in await gallery.store.delete_intermediates()] == ["e.png"]
    assert await gallery.page(ImageFilter()) == (0, [])
    assert await gallery.store.intermediates_count() == 0


async def test_days(gallery: Gallery) -> None:
    await fill(gallery)
    days = await gallery.store.days()
    assert [(day.date, day.image_count, day.asset_count) for day in days] == [
        ("2026-01-05", 1, 0),
        ("2026-01-03", 1, 1),
        ("2026-01-02", 1, 0),
        ("2026-01-01", 1, 0),
    ]
    assert days[1].cover_image_name == "d.png"


async def test_boards_have_counts_and_a_cover(gallery: Gallery) -> None:
    sql = f"SELECT {BOARD_SUMMARY_COLUMNS} FROM boards"
    assert (await gallery.database.fetch(sql))[0]["cover_image_name"] is None
    await gallery.add("a.png", 1, board_id="trees")
    await gallery.add("c.png", 3, board_id="trees")
    await gallery.add("b.png", 2, starred=True, board_id="trees", image_category=USER)
    await gallery.add("e.png", 9, is_intermediate=True, board_id="trees")
    row = (await gallery.database.fetch(sql))[0]
    assert (row["image_count"], row["asset_count"], row["cover_image_name"]) == (2, 1, "c.png")
    await gallery.database.execute("UPDATE boards SET cover_image_name = 'a.png'")
    assert (await gallery.database.fetch(sql))[0]["cover_image_name"] == "a.png"
    await gallery.store.delete(["a.png"])
    assert (await gallery.database.fetch(sql))[0]["cover_image_name"] == "c.png"
