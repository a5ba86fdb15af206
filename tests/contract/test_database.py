"""What every Database promises, run over each of them."""

import asyncio

import pytest

from invokeai.app.services.shared.database.base import (
    MAX_VALUE_BYTES,
    Database,
    DatabaseConflict,
    DatabaseRejected,
    Statement,
)

CREATE = (
    "CREATE TABLE notes (note_id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL UNIQUE, size INTEGER, raw BLOB)"
)
INSERT = "INSERT INTO notes (body, size) VALUES (?, ?)"


@pytest.fixture
async def database(any_database: Database) -> Database:
    await any_database.execute(CREATE)
    return any_database


async def bodies(database: Database) -> list[object]:
    return [row["body"] for row in await database.fetch("SELECT body FROM notes ORDER BY note_id")]


async def test_execute_tells_changed_rows_and_the_new_id(database: Database) -> None:
    first = await database.execute(INSERT, "a", 1)
    second = await database.execute(INSERT, "b", 2)
    assert (first.rowcount, first.last_row_id, second.last_row_id) == (1, 1, 2)
    assert (await database.execute("UPDATE notes SET size = 3")).rowcount == 2
    assert (await database.execute("DELETE FROM notes WHERE body = 'none'")).rowcount == 0


async def test_rows_that_a_trigger_writes_are_not_counted(database: Database) -> None:
    await database.execute("CREATE TABLE log (body TEXT)")
    await database.execute("CREATE TRIGGER logged AFTER INSERT ON notes BEGIN INSERT INTO log VALUES (new.body); END")
    assert (await database.execute(INSERT, "a", 1)).rowcount == 1
    results = await database.batch([Statement(INSERT, ("b", 1)), Statement("SELECT count(*) AS n FROM log")])
    assert results[0].rowcount == 1
    assert results[1].rows == [{"n": 2}]


async def test_values_come_back_as_they_went_in(database: Database) -> None:
    text = "line\r\nquote ' \" ; -- \u0000 pictures 🎨 \u2028 end"
    await database.execute("INSERT INTO notes (body, size, raw) VALUES (?, ?, ?)", text, 2**53, b"\x00\xff\x10")
    row = await database.fetch_one("SELECT body, size, raw FROM notes")
    assert row == {"body": text, "size": 2**53, "raw": b"\x00\xff\x10"}
    assert isinstance(row["size"], int)
    await database.execute("UPDATE notes SET size = ?", None)
    assert await database.fetch_one("SELECT size FROM notes") == {"size": None}


async def test_a_list_travels_as_one_json_parameter(database: Database) -> None:
    await database.execute("INSERT INTO notes (body, size) SELECT value, key FROM json_each(?)", '["a", "b", "c"]')
    rows = await database.fetch("SELECT body FROM notes WHERE body IN (SELECT value FROM json_each(?))", '["a", "c"]')
    assert [row["body"] for row in rows] == ["a", "c"]


async def test_a_batch_is_all_or_nothing(database: Database) -> None:
    with pytest.raises(DatabaseConflict):
        await database.batch([Statement(INSERT, ("a", 1)), Statement(INSERT, ("a", 2))])
    with pytest.raises(DatabaseRejected):
        await database.batch([Statement(INSERT, ("a", 1)), Statement("INSERT INTO nowhere VALUES (1)")])
    assert await bodies(database) == []


async def test_later_statements_of_a_batch_see_earlier_ones(database: Database) -> None:
    results = await database.batch(
        [
            Statement(INSERT + " RETURNING note_id", ("a", 1)),
            Statement("SELECT count(*) AS n FROM notes"),
            Statement("DELETE FROM notes"),
        ]
    )
    assert [results[0].rows, results[1].rows, results[2].rowcount] == [[{"note_id": 1}], [{"n": 1}], 1]
    assert await database.batch([]) == []


async def test_fetch_of_a_write_returns_its_rows(database: Database) -> None:
    assert await database.fetch(INSERT + " RETURNING body", "a", 1) == [{"body": "a"}]
    assert await bodies(database) == ["a"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO notes (size) VALUES (1)",
        "INSERT INTO images (image_name, image_origin, image_category, width, height, created_at, updated_at, board_id)"
        " VALUES ('a', 'internal', 'general', 1, 1, '', '', 'no such board')",
        "INSERT INTO boards (board_id, board_name, archived, created_at, updated_at) VALUES ('b', 'b', 7, '', '')",
    ],
    ids=["not null", "foreign key", "check"],
)
async def test_constraints_are_conflicts(database: Database, statement: str) -> None:
    with pytest.raises(DatabaseConflict):
        await database.execute(statement)


async def test_limits_are_refused_before_they_are_sent(database: Database) -> None:
    with pytest.raises(DatabaseRejected, match="101 parameters"):
        await database.fetch(f"SELECT {', '.join('?' * 101)}", *range(101))
    with pytest.raises(DatabaseRejected, match="bytes"):
        await database.execute(INSERT, "x" * (MAX_VALUE_BYTES + 1), 1)
    with pytest.raises(DatabaseRejected, match="2\\^53"):
        await database.execute(INSERT, "a", 2**53 + 1)
    await database.execute(INSERT, "x" * (MAX_VALUE_BYTES - 1), 1)


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT * FROM nowhere", "SELECT ?"])
async def test_wrong_statements_are_rejected(database: Database, sql: str) -> None:
    with pytest.raises(DatabaseRejected):
        await database.fetch(sql)


async def test_side_by_side_writers_each_get_their_row(database: Database) -> None:
    await asyncio.gather(*(database.execute(INSERT, f"note {n}", n) for n in range(60)))
    claim = (
        "UPDATE notes SET size = -1 WHERE note_id = (SELECT min(note_id) FROM notes WHERE size >= 0) RETURNING note_id"
    )
    claimed = await asyncio.gather(*(database.fetch(claim) for _ in range(70)))
    ids = [row["note_id"] for rows in claimed for row in rows]
    assert sorted(ids) == list(range(1, 61))


async def test_migrating_again_changes_nothing(database: Database) -> None:
    assert await database.migrate() == []
    names = await database.fetch("SELECT name FROM d1_migrations ORDER BY id")
    assert names[0] == {"name": "0001_images_and_boards.sql"}
