"""A root that the real InvokeAI wrote, brought into libraries of every kind: whole, checked, and only read."""

import io
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from invokeai.app.services.library_moves.library import Library
from invokeai.app.services.library_moves.progress import Progress
from invokeai.app.services.library_moves.upstream_import import ImportReport, UpstreamImport
from invokeai.app.services.library_moves.upstream_root import UpstreamRoot
from invokeai.app.services.shared.database.base import DatabaseUnavailable
from invokeai.app.services.shared.errors import Conflict, InvalidInput, Unavailable
from tests.app.services.library_moves.conftest import NewLibrary
from tests.app.services.library_moves.seeded import everything, image_service, mortal, on_disk, picture
from tests.app.services.library_moves.upstream import add_pictures, changed, names_of, state_of, upstream_root

NEW = {"boards": 2, "pictures": 6, "workflows": 1, "style presets": 2, "system prompts": 1}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return upstream_root(tmp_path / "upstream")


async def bring(root: Path, library: Library, said: io.StringIO | None = None) -> ImportReport:
    with UpstreamRoot(root) as upstream:
        return await UpstreamImport(upstream, library, Progress(said or io.StringIO()), 1_000_000).run()


def trouble(report: ImportReport) -> list[str]:
    return [*report.missing_files, *report.damaged, *report.left_out, *report.faults]


@pytest.mark.parametrize("kind", ["disk", "cloud"])
async def test_everything_comes_over_byte_for_byte(new_library: NewLibrary, root: Path, kind: str) -> None:
    library, said = new_library(kind), io.StringIO()
    before = state_of(root)
    report = await bring(root, library, said)
    assert trouble(report) == []
    assert {name: taken.added for name, taken in report.taken.items()} == NEW
    assert all(taken.found == taken.added for taken in report.taken.values())
    rows, files = await everything(library)
    in_root = {path.name: path.read_bytes() for path in root.rglob("*") if path.suffix in (".png", ".webp")}
    assert len(in_root) == len(files) == report.files_checked == 14
    assert sorted(files.values()) == sorted(in_root.values())
    assert {key: data for key, data in files.items() if key.startswith("images/")} == {
        f"images/{name}": in_root[name] for name in names_of(root)
    }
    assert [sum(int(row[flag] or 0) for row in rows["images"]) for flag in ("starred", "is_intermediate")] == [1, 1]
    assert sum(row["board_id"] is not None for row in rows["images"]) == 4
    counts = await library.database.fetch("SELECT sum(images) AS images FROM image_counts")
    assert counts[0]["images"] == 6
    assert "pictures: 6 of 6 (100%)" in said.getvalue()
    assert state_of(root) == before


@pytest.mark.parametrize("kind", ["disk", "cloud"])
async def test_a_second_run_changes_nothing(new_library: NewLibrary, root: Path, kind: str) -> None:
    library = new_library(kind)
    await bring(root, library)
    images = image_service(library)
    await images.star([names_of(root)[1]])
    images.close()
    before = await everything(library)
    report = await bring(root, library)
    assert (trouble(report), report.files_checked) == ([], 6)
    assert {name: taken.there_before for name, taken in report.taken.items()} == NEW
    assert sum(taken.added for taken in report.taken.values()) == 0
    assert await everything(library) == before


async def test_what_waits_in_the_log_of_the_database_comes_too(new_library: NewLibrary, root: Path) -> None:
    path = root / "databases" / "invokeai.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("UPDATE boards SET board_name = 'Written last'")
        writer.commit()
        crashed = root.with_name("crashed")
        shutil.copytree(root, crashed)
    assert (crashed / "databases" / "invokeai.db-wal").stat().st_size > 0
    before = state_of(crashed)
    library = new_library("disk")
    assert trouble(await bring(crashed, library)) == []
    boards = await library.database.fetch("SELECT DISTINCT board_name FROM boards")
    assert [row["board_name"] for row in boards] == ["Written last"]
    assert state_of(crashed) == before


@pytest.mark.parametrize("writes", [1, 100])
async def test_a_database_is_copied_while_nobody_writes(
    new_library: NewLibrary, root: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    copyfile, names = shutil.copyfile, iter(f"Name {number}" for number in range(writes))

    def copy_and_write(source: Path, target: Path) -> None:
        copyfile(source, target)
        if name := next(names, ""):
            with changed(root) as connection:
                connection.execute("UPDATE boards SET board_name = ?", (name,))

    monkeypatch.setattr(shutil, "copyfile", copy_and_write)
    if writes > 1:
        with pytest.raises(Conflict, match="stop InvokeAI and try again"):
            UpstreamRoot(root)
        return
    library = new_library("disk")
    await bring(root, library)
    boards = await library.database.fetch("SELECT DISTINCT board_name FROM boards")
    assert [row["board_name"] for row in boards] == ["Name 0"]


async def test_an_import_stopped_at_any_write_is_finished_by_the_next(new_library: NewLibrary, root: Path) -> None:
    whole = new_library("disk")
    await bring(root, whole)
    expected = await everything(whole)
    stopped = 0
    while True:
        library = new_library("disk")
        try:
            await bring(root, mortal(library, stopped))
        except DatabaseUnavailable:
            assert trouble(await bring(root, library)) == []
            assert await everything(library) == expected
            stopped += 1
        else:
            break
    assert stopped > 15


class Forgetful:
    """An object store that acknowledges some writes and keeps nothing of them."""

    def __init__(self, library: Library, ending: str) -> None:
        self._objects, self._ending = library.objects, ending

    def __getattr__(self, name: str) -> object:
        return getattr(self._objects, name)

    async def put(self, key: str, data: bytes, content_type: str) -> str:
        return "" if key.endswith(self._ending) else await self._objects.put(key, data, content_type)


async def test_a_file_that_was_not_kept_gets_no_record(new_library: NewLibrary, root: Path) -> None:
    library = new_library("disk")
    name = names_of(root)[3]
    forgetful = Library(
        library.database,
        Forgetful(library, name),  # type: ignore[arg-type]
        library.database_place,
        library.objects_place,
        library.thumbnails,
    )
    with pytest.raises(Unavailable, match="run the same command again"):
        await bring(root, forgetful)
    assert await library.database.fetch("SELECT image_name FROM images WHERE image_name = ?", name) == []
    assert trouble(await bring(root, library)) == []


async def test_a_file_that_got_lost_here_is_put_back(new_library: NewLibrary, root: Path) -> None:
    library = new_library("disk")
    await bring(root, library)
    before = await everything(library)
    lost, other = names_of(root)[:2]
    await library.objects.delete([f"images/{lost}"])
    await library.write(f"images/{other}", picture(200))
    report = await bring(root, library)
    assert trouble(report) == [f"{other}: another file of that name is here, and stays."]
    files = (await everything(library))[1]
    assert files[f"images/{lost}"] == before[1][f"images/{lost}"]
    assert files[f"images/{other}"] == picture(200)


async def test_damage_is_listed_and_passed_over(new_library: NewLibrary, root: Path) -> None:
    add_pictures(root, 6)
    images = root / "outputs" / "images"
    (images / "added-00000.png").unlink()
    (images / "added-00001.png").write_bytes(picture(1)[:-20])
    broken = bytearray(picture(2))
    broken[50] ^= 255
    (images / "added-00002.png").write_bytes(broken)
    (images / "thumbnails" / "added-00005.webp").write_bytes(b"no picture")
    next((root / "style_presets" / "images").iterdir()).write_bytes(b"RIFF")
    with changed(root) as connection:
        connection.execute("UPDATE images SET image_name = '../../secret.png' WHERE image_name = 'added-00003.png'")
        connection.execute("UPDATE images SET created_at = 'soon' WHERE image_name = 'added-00004.png'")
        connection.execute("UPDATE images SET metadata = '[1' WHERE image_name = 'added-00005.png'")
        connection.execute("INSERT INTO board_images (board_id, image_name) VALUES ('gone', 'added-00005.png')")
        connection.execute("UPDATE style_presets SET preset_data = '{}' WHERE name = 'Plain'")
        connection.execute("UPDATE workflow_library SET workflow = json_set(workflow, '$.nodes', 'none')")
        connection.execute("INSERT INTO videos (video_name, video_origin, video_category, width, height) "
                           "VALUES ('v', 'internal', 'general', 1, 1)")  # fmt: skip
    library = new_library("disk")
    report = await bring(root, library)
    assert [line.split(":")[0] for line in report.missing_files] == [
        "pictures, added-00000.png",
        "pictures, ../../secret.png",
    ]
    damaged = sorted(line.partition(":")[0].partition(", ") for line in report.damaged)
    assert [first for first, _, _ in damaged[1:]] == ["pictures"] * 3 + ["style presets", "workflows"]
    assert [name for _, _, name in damaged[1:4]] == ["added-00001.png", "added-00002.png", "added-00004.png"]
    assert damaged[0][0].endswith(".webp is damaged.")
    assert len(report.left_out) == 3, report.left_out
    assert (report.taken["pictures"].added, report.taken["pictures"].passed_over) == (7, 5)
    thumbnail = await library.read("thumbnails/added-00005.webp")
    assert thumbnail[8:12] == b"WEBP"
    rows = (await everything(library))[0]
    assert {str(row["image_name"]): row["metadata"] for row in rows["images"]}["added-00005.png"] is None


async def test_a_damaged_database_gives_what_can_be_read(new_library: NewLibrary, root: Path) -> None:
    add_pictures(root, 400, metadata='{"positive_prompt": "' + "sea " * 40 + '"}')
    path = root / "databases" / "invokeai.db"
    with closing(sqlite3.connect(path)) as connection:
        first = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'images'").fetchone()[0]
        page_size = connection.execute("PRAGMA page_size").fetchone()[0]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    data = bytearray(path.read_bytes())
    cut = max(first + 5, pages - 5) * page_size
    data[cut : cut + page_size] = b"\xff" * page_size
    path.write_bytes(data)
    library = new_library("disk")
    report = await bring(root, library)
    assert len(report.damaged) == 1 and "the database file is damaged" in report.damaged[0]
    assert 6 < report.taken["pictures"].added < 406
    assert report.taken["workflows"].added == 1


async def test_many_pictures_go_in_pages(new_library: NewLibrary, root: Path) -> None:
    add_pictures(root, 260, metadata='{"positive_prompt": "' + "x" * 6_000 + '"}')
    library = new_library("cloud")
    report = await bring(root, library)
    assert (trouble(report), report.taken["pictures"].added) == ([], 266)
    rows = await library.database.fetch("SELECT count(*) AS total, sum(length(metadata)) AS size FROM images")
    assert rows[0]["total"] == 266 and int(rows[0]["size"] or 0) > 260 * 6_000


async def test_an_older_root_lacks_columns_and_tables(new_library: NewLibrary, root: Path) -> None:
    for path in (root / "outputs" / "images" / "2026").rglob("*.png"):
        path.rename(root / "outputs" / "images" / path.name)
    with changed(root) as connection:
        for table in ("videos", "system_prompts", "style_presets"):
            connection.execute(f"DROP TABLE {table}")
        for column in ("image_subfolder", "user_id", "has_workflow"):
            connection.execute(f"ALTER TABLE images DROP COLUMN {column}")
        for column in ("user_id", "is_public", "board_visibility"):
            connection.execute(f"ALTER TABLE boards DROP COLUMN {column}")
        connection.execute("ALTER TABLE workflow_library DROP COLUMN opened_at")
    report = await bring(root, new_library("disk"))
    assert trouble(report) == []
    assert [taken.added for taken in report.taken.values()] == [2, 6, 1, 0, 0]


async def test_folders_of_the_settings_are_followed(new_library: NewLibrary, root: Path, tmp_path: Path) -> None:
    (root / "outputs").rename(tmp_path / "elsewhere")
    (root / "databases").rename(root / "db")
    (root / "invokeai.yaml").write_text(f"db_dir: db\noutputs_dir: {tmp_path / 'elsewhere'}\n")
    report = await bring(root, new_library("disk"))
    assert (trouble(report), report.taken["pictures"].added) == ([], 6)


async def test_what_is_no_root_says_so(root: Path, tmp_path: Path, new_library: NewLibrary) -> None:
    empty, text, other, ours = (tmp_path / name for name in ("empty", "text", "other", "ours"))
    for folder in (empty, text, other, ours):
        (folder / "databases").mkdir(parents=True)
    (text / "databases" / "invokeai.db").write_text("no database at all, but long enough to be read as one" * 30)
    with closing(sqlite3.connect(other / "databases" / "invokeai.db")) as connection:
        connection.execute("CREATE TABLE boards (id)")
    library = on_disk(ours)
    await library.database.migrate()
    await library.close()
    for folder, sentence in (
        (empty, "There is no InvokeAI root at"),
        (text, "cannot be read: file is not a database"),
        (other, "is no database of InvokeAI"),
        (ours, "is a root of InvokeAI Cloud; `invokeai-cloud migrate` copies it"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            UpstreamRoot(folder)


async def test_a_root_is_not_brought_into_itself(root: Path) -> None:
    before = state_of(root)
    library = on_disk(root)
    database = str(root / "databases" / "invokeai.db")
    for place in (database, str(root.parent / "new.db")):
        itself = Library(library.database, library.objects, place, str(root / "outputs"), library.thumbnails)
        with pytest.raises(Conflict, match="--root"):
            await bring(root, itself)
    await library.close()
    assert state_of(root) == before


def test_the_kept_root_holds_nothing_that_was_shipped() -> None:
    text = (Path(__file__).with_name("upstream_root") / "invokeai.sql").read_text(encoding="utf-8")
    answers = json.loads((Path(__file__).with_name("upstream_root") / "answers.json").read_text(encoding="utf-8"))
    assert text.count("INSERT INTO") == 2 + 6 + 4 + 1 + 2 + 1
    assert [preset["name"] for preset in answers["/api/v1/style_presets/"]] == ["Oil", "Plain"]
    assert "jwt" not in text.lower() and "--" not in text
