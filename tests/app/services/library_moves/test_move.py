"""Libraries copied between disk and SQLite, D1 and a bucket, in every direction, and stopped at every write."""

import io

import pytest

from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.library_moves import tables
from invokeai.app.services.library_moves.library import Library
from invokeai.app.services.library_moves.move import LibraryMove, MoveReport
from invokeai.app.services.library_moves.progress import Progress
from invokeai.app.services.shared.database.base import DatabaseUnavailable
from invokeai.app.services.shared.errors import Conflict
from tests.app.services.library_moves.conftest import NewLibrary
from tests.app.services.library_moves.seeded import everything, fill, image_service, mortal, picture


async def move(source: Library, target: Library, *, into_existing: bool = False) -> MoveReport:
    return await LibraryMove(source, target, Progress(io.StringIO()), into_existing=into_existing).run()


@pytest.mark.parametrize(("one", "other"), [("disk", "cloud"), ("cloud", "disk"), ("disk", "disk")])
async def test_a_copy_is_the_same_library(new_library: NewLibrary, one: str, other: str) -> None:
    source, target = new_library(one), new_library(other)
    await fill(source)
    report = await move(source, target)
    assert (report.faults, report.kept, report.without_file) == ([], 0, 0)
    rows, files = await everything(source)
    assert all(rows.values()), "the seed leaves a table out"
    assert await everything(target) == (rows, files)
    assert (report.files, report.rows) == (len(files), sum(map(len, rows.values())))
    counts = "SELECT * FROM image_counts WHERE images > 0 ORDER BY 1, 2, 3, 4, 5, 6"
    assert await target.database.fetch(counts) == await source.database.fetch(counts)
    images = image_service(target)
    assert (await images.get_dto("picture-00001.png")).starred
    assert (await images.get_thumbnail("picture-00001.png")).data[8:12] == b"WEBP"
    images.close()


@pytest.mark.parametrize(("one", "other"), [("disk", "cloud"), ("cloud", "disk")])
async def test_a_number_that_was_given_is_never_given_again(new_library: NewLibrary, one: str, other: str) -> None:
    source, target = new_library(one), new_library(other)
    await fill(source, pictures=1)
    insert = (
        "INSERT INTO session_queue (queue_id, batch_id, session_id, user_id, priority, field_values, created_at, "
        "updated_at) VALUES ('default', 'q1', ?, 'system', 0, '[]', '2026-01-01', '2026-01-01') RETURNING item_id"
    )
    for number in range(3):
        await source.database.fetch(insert, f"s{number}")
    await source.database.execute("DELETE FROM session_queue WHERE item_id > 8")
    report = await move(source, target)
    assert (report.faults, report.waiting) == ([], 1)
    assert (await target.database.fetch(insert, "next"))[0]["item_id"] == 11


async def test_a_queue_that_was_emptied_keeps_its_number(new_library: NewLibrary) -> None:
    source, target = new_library("disk"), new_library("disk")
    await fill(source, pictures=1)
    await source.database.execute("DELETE FROM session_queue")
    assert (await move(source, target)).faults == []
    numbers = await target.database.fetch("SELECT seq FROM sqlite_sequence WHERE name = 'session_queue'")
    assert [row["seq"] for row in numbers] == [7]


async def test_many_rows_go_in_pages(new_library: NewLibrary) -> None:
    source, target = new_library("disk"), new_library("cloud")
    await source.database.migrate()
    await source.database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1203) "
        "INSERT INTO images (image_name, image_origin, image_category, width, height, created_at, updated_at) "
        "SELECT 'i' || i || '.png', 'internal', 'general', 8, 8, '2026-01-01', '2026-01-01' FROM n"
    )
    report = await move(source, target)
    assert (report.rows_written >= 1203, report.without_file, report.faults) == (True, 1203, [])
    assert await everything(target) == await everything(source)


async def test_a_second_run_writes_nothing(new_library: NewLibrary) -> None:
    source, target = new_library("disk"), new_library("disk")
    await fill(source)
    await move(source, target)
    again = await move(source, target)
    assert (again.files_written, again.rows_written, again.faults) == (0, 0, [])


async def test_a_finished_copy_that_is_in_use_is_left_alone(new_library: NewLibrary) -> None:
    source, target = new_library("disk"), new_library("disk")
    await fill(source)
    await move(source, target)
    images = image_service(target)
    await images.delete(["picture-00002.png"])
    await images.unstar(["picture-00001.png"])
    images.close()
    before = await everything(target)
    report = await move(source, target)
    assert len(report.faults) == 3, report.faults
    assert await everything(target) == before


async def test_a_move_stopped_at_any_write_is_finished_by_the_next(new_library: NewLibrary) -> None:
    source = new_library("disk")
    await fill(source, pictures=3)
    expected = await everything(source)
    stopped = 0
    while True:
        target = new_library("disk")
        try:
            await move(source, mortal(target, stopped))
        except DatabaseUnavailable:
            report = await move(source, target)
            assert report.faults == []
            assert await everything(target) == expected
            stopped += 1
        else:
            break
    assert stopped > 20


async def test_changes_between_two_runs_are_caught_up(new_library: NewLibrary) -> None:
    source, target = new_library("disk"), new_library("disk")
    await fill(source)
    with pytest.raises(DatabaseUnavailable):
        await move(source, mortal(target, 40))
    images = image_service(source)
    await images.star(["picture-00002.png"])
    await images.create(
        picture(77), image_origin=ResourceOrigin.INTERNAL, image_category=ImageCategory.GENERAL, image_name="new.png"
    )
    images.close()
    assert (await move(source, target)).faults == []
    assert await everything(target) == await everything(source)


async def test_a_damaged_file_in_the_copy_is_found_and_mended(new_library: NewLibrary) -> None:
    source, target = new_library("disk"), new_library("disk")
    await fill(source)
    with pytest.raises(DatabaseUnavailable):
        await move(source, mortal(target, 36))
    data = await target.read("images/picture-00004.png")
    await target.write("images/picture-00004.png", data[:-1] + b"?")
    assert (await move(source, target)).faults == []
    assert await everything(target) == await everything(source)


async def test_a_library_of_somebody_else_is_not_touched(new_library: NewLibrary) -> None:
    source, target = new_library("disk"), new_library("disk")
    await fill(source)
    await fill(target, pictures=2)
    before = await everything(target)
    with pytest.raises(Conflict, match=r"is not empty: it has pictures, boards, .* --into-existing"):
        await move(source, target)
    assert await everything(target) == before


async def test_files_of_somebody_else_are_not_mixed_in(new_library: NewLibrary) -> None:
    source, target = new_library("disk"), new_library("disk")
    await fill(source)
    await target.write("images/foreign.png", b"png")
    with pytest.raises(Conflict, match="files of another library"):
        await move(source, target)


async def test_a_target_that_was_only_started_is_empty(new_library: NewLibrary) -> None:
    source, target = new_library("disk"), new_library("disk")
    await fill(source)
    await target.database.migrate()
    await target.database.execute("INSERT INTO client_state VALUES ('system', 'canvas', 5, 'left over')")
    assert (await move(source, target)).faults == []
    assert await everything(target) == await everything(source)


async def test_adding_to_a_library_changes_nothing_that_it_has(new_library: NewLibrary) -> None:
    source, target = new_library("disk"), new_library("disk")
    await fill(source, pictures=6)
    await fill(target, pictures=3)
    images = image_service(target)
    await images.star(["picture-00000.png"])
    images.close()
    before_rows, before_files = await everything(target)
    await target.write("images/picture-00002.png", b"other")
    report = await move(source, target, into_existing=True)
    assert report.faults == []
    rows, files = await everything(target)
    assert [row["image_name"] for row in rows["images"]] == [f"picture-{n:05}.png" for n in range(6)]
    kept = [row for row in rows["images"] if row in before_rows["images"]]
    assert kept == before_rows["images"]
    assert files["images/picture-00002.png"] == b"other"
    assert len(files) == len(before_files) + 6
    for name in ("session_queue", "client_state", "library_facts"):
        assert rows[name] == before_rows[name]
    again = await move(source, target, into_existing=True)
    assert (again.files_written, again.rows_written) == (0, 0)


async def test_a_source_that_is_no_library_says_so(new_library: NewLibrary) -> None:
    with pytest.raises(Conflict, match="holds no library"):
        await move(new_library("disk"), new_library("disk"))


async def test_a_source_behind_or_ahead_says_what_to_do(new_library: NewLibrary) -> None:
    source, target = new_library("disk"), new_library("disk")
    await source.database.migrate()
    await source.database.execute("INSERT INTO d1_migrations (name) VALUES ('9999_future.sql')")
    with pytest.raises(Conflict, match="newer version"):
        await move(source, target)
    await source.database.execute("DELETE FROM d1_migrations WHERE name > '0004'")
    with pytest.raises(Conflict, match="invokeai-cloud database migrate"):
        await move(source, target)


async def test_an_unfinished_copy_is_no_source(new_library: NewLibrary) -> None:
    source, half, target = new_library("disk"), new_library("disk"), new_library("disk")
    await fill(source, pictures=2)
    with pytest.raises(DatabaseUnavailable):
        await move(source, mortal(half, 6))
    with pytest.raises(Conflict, match="unfinished copy"):
        await move(half, target)


async def test_every_table_is_moved_or_follows_from_others(new_library: NewLibrary) -> None:
    library = new_library("disk")
    await library.database.migrate()
    found = await library.database.fetch(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'd1_migrations'"
    )
    moved = [table.name for table in await tables.tables_of(library.database)]
    assert {str(row["name"]) for row in found} == {*moved, *tables.KEPT_BY_TRIGGERS}
    assert moved.index("boards") < moved.index("images")
    assert moved.index("batches") < moved.index("session_queue") < moved.index("session_parts")
