import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from invokeai.app.services.shared.database import migrations
from invokeai.app.services.shared.database.base import (
    DatabaseConflict,
    DatabaseRejected,
    DatabaseUnavailable,
    Statement,
)
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from tests.app.services.shared.database.counting_database import CountingDatabase

CREATE = "CREATE TABLE notes (note_id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE)"
INSERT = "INSERT INTO notes (body) VALUES (?)"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "databases" / "studio.db")
    await database.execute(CREATE)
    yield database
    await database.close()


async def bodies(database: SqliteDatabase) -> list[object]:
    return [row["body"] for row in await database.fetch("SELECT body FROM notes ORDER BY note_id")]


async def test_execute_tells_rows_and_last_id(database: SqliteDatabase) -> None:
    assert (await database.execute(INSERT, "a")).last_row_id == 1
    assert (await database.execute("UPDATE notes SET body = 'b'")).rowcount == 1
    assert (await database.execute("DELETE FROM notes WHERE body = 'x'")).rowcount == 0


async def test_batch_is_all_or_nothing(database: SqliteDatabase) -> None:
    with pytest.raises(DatabaseConflict):
        await database.batch([Statement(INSERT, ("a",)), Statement(INSERT, ("a",))])
    assert await bodies(database) == []


async def test_later_statements_of_a_batch_see_earlier_ones(database: SqliteDatabase) -> None:
    results = await database.batch(
        [
            Statement(INSERT + " RETURNING note_id", ("a",)),
            Statement("SELECT count(*) AS n FROM notes"),
            Statement("DELETE FROM notes"),
        ]
    )
    assert results[0].rows == [{"note_id": 1}]
    assert results[1].rows == [{"n": 1}]
    assert results[2].rowcount == 1


async def test_concurrent_batches_fail_alone(database: SqliteDatabase) -> None:
    async def pair(number: int) -> bool:
        second = f"{number}" if number % 5 == 0 else f"{number}-second"
        try:
            await database.batch([Statement(INSERT, (f"{number}",)), Statement(INSERT, (second,))])
        except DatabaseConflict:
            return False
        return True

    outcomes = await asyncio.gather(*(pair(number) for number in range(100)))
    assert outcomes.count(False) == 20
    assert len(await bodies(database)) == 160


async def test_fetch_of_a_write_returns_its_rows(database: SqliteDatabase) -> None:
    assert await database.fetch(INSERT + " RETURNING body", "a") == [{"body": "a"}]
    sql = "WITH new (b) AS (VALUES (?)) INSERT INTO notes (body) SELECT b FROM new RETURNING body"
    assert await database.fetch(sql, "b") == [{"body": "b"}]
    assert await bodies(database) == ["a", "b"]


async def test_readers_cannot_write(database: SqliteDatabase) -> None:
    await database.execute(INSERT, "a")
    await database.execute("CREATE VIEW v AS SELECT 1 AS one")
    with pytest.raises(DatabaseRejected):
        await database.fetch("SELECT 1; DELETE FROM notes")
    assert await bodies(database) == ["a"]


async def test_read_batch_sees_one_snapshot(database: SqliteDatabase) -> None:
    count = Statement("SELECT count(*) AS n FROM notes")

    async def read() -> None:
        first, *rest = await database.batch([count] * 20)
        assert all(result.rows == first.rows for result in rest)

    await asyncio.gather(*(read() for _ in range(20)), *(database.execute(INSERT, f"{n}") for n in range(200)))


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT " + "+".join("?" * 101), (1,) * 101),
        (INSERT, ("x" * 1_900_001,)),
        (INSERT, ("é" * 950_001,)),
        ("SELECT 1 WHERE 'a' LIKE ?", ("%" * 51,)),
        ("SELECT json_object(" + ",".join(["'a',1"] * 17) + ")", ()),
        ("SELECT 1" + " UNION SELECT 1" * 5, ()),
        ("SELECT '" + "x" * 100_001 + "'", ()),
        (INSERT, (2**64,)),
        (INSERT, ("\ud800",)),
        ("SELEC 1", ()),
        ("SELECT ?", ()),
    ],
)
async def test_what_d1_refuses_is_refused(database: SqliteDatabase, sql: str, params: tuple[str, ...]) -> None:
    with pytest.raises(DatabaseRejected):
        await database.fetch(sql, *params)
    assert await bodies(database) == []
    await database.execute(INSERT, "alive")


async def test_not_null_and_foreign_key_are_conflicts(database: SqliteDatabase) -> None:
    await database.execute("CREATE TABLE tags (note_id INTEGER REFERENCES notes (note_id))")
    for sql, params in (("INSERT INTO tags VALUES (?)", (5,)), (INSERT, (None,))):
        with pytest.raises(DatabaseConflict):
            await database.execute(sql, *params)


async def test_closed_database_is_unavailable(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "studio.db")
    await database.execute(CREATE)
    await database.close()
    await database.close()
    with pytest.raises(DatabaseUnavailable):
        await database.fetch("SELECT 1")


async def test_close_finishes_waiting_writes(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "studio.db")
    await database.execute(CREATE)
    writes = [asyncio.ensure_future(database.execute(INSERT, f"{n}")) for n in range(300)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*writes)


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "studio.db"
    path.write_bytes(b"no database" * 1000)
    database = SqliteDatabase(path)
    with pytest.raises(DatabaseUnavailable):
        await database.fetch("SELECT 1")
    with pytest.raises(DatabaseUnavailable):
        await database.execute(CREATE)
    await database.close()


async def test_counting_database_counts_each_call_once(database: SqliteDatabase) -> None:
    counting = CountingDatabase(database)
    with counting.counted() as trips:
        await counting.execute(INSERT, "a")
        await counting.batch([Statement("SELECT 1"), Statement("SELECT 2")])
        assert await counting.fetch_one("SELECT body FROM notes") == {"body": "a"}
    assert trips.count == 3
    assert len(trips.statements) == 4


WRITER = """
import asyncio, sys
from pathlib import Path
from invokeai.app.services.shared.database.sqlite import SqliteDatabase

async def main():
    database = SqliteDatabase(Path(sys.argv[1]))
    number = 0
    while True:
        await database.execute("INSERT INTO notes (body) VALUES (?)", str(number))
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


async def test_an_acknowledged_write_survives_kill_9(database: SqliteDatabase) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(database.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += process.stdout.read().split()
    process.wait()
    assert set(acknowledged) <= set(await bodies(database))


# Migrations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.sql").write_text(
        "-- a comment; with a semicolon\nCREATE TABLE a (n INTEGER);\nCREATE TABLE log (n INTEGER);\n"
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  INSERT INTO log VALUES (new.n);\n"
        "  INSERT INTO log VALUES (0);\nEND;\n"
    )
    return folder


async def migrate(path: Path, folder: Path) -> list[str]:
    database = SqliteDatabase(path, folder)
    try:
        return await database.migrate()
    finally:
        await database.close()


async def test_migrations_apply_once_in_order(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "studio.db"
    assert await migrate(path, folder) == ["0001_first.sql"]
    (folder / "0003_third.sql").write_text("INSERT INTO a VALUES (2)")
    (folder / "0002_second.sql").write_text("INSERT INTO a VALUES (1);")
    assert await migrate(path, folder) == ["0002_second.sql", "0003_third.sql"]
    assert await migrate(path, folder) == []
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT n FROM log").fetchall() == [(1,), (0,), (2,), (0,)]
        names = connection.execute("SELECT name FROM d1_migrations ORDER BY id").fetchall()
    assert names == [("0001_first.sql",), ("0002_second.sql",), ("0003_third.sql",)]


async def test_a_wrong_migration_leaves_nothing_and_a_backup(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "studio.db"
    await migrate(path, folder)
    assert not path.with_name("studio.db.before-0001").exists()
    (folder / "0002_wrong.sql").write_text("CREATE TABLE b (n INTEGER);\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(DatabaseRejected, match="0002_wrong"):
        await migrate(path, folder)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'b'").fetchall() == []
        assert connection.execute("SELECT name FROM d1_migrations").fetchall() == [("0001_first.sql",)]
    with sqlite3.connect(path.with_name("studio.db.before-0002")) as copy:
        assert copy.execute("SELECT name FROM d1_migrations").fetchall() == [("0001_first.sql",)]


async def test_two_processes_may_migrate_at_once(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "studio.db"
    applied = await asyncio.gather(*(migrate(path, folder) for _ in range(8)))
    assert sorted(applied, key=len) == [*[[]] * 7, ["0001_first.sql"]]


async def test_a_file_that_another_process_is_making_is_waited_for(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "studio.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # nobody can turn to WAL now, and SQLite does not wait for that
    migrating = asyncio.create_task(migrate(path, folder))
    done, _ = await asyncio.wait([migrating], timeout=0.3)
    other.execute("COMMIT")
    other.close()
    assert not done and await migrating == ["0001_first.sql"]


def test_own_migrations_are_numbered_once() -> None:
    numbers = [file.name[:4] for file in migrations.migration_files()]
    assert numbers == sorted(set(numbers))
