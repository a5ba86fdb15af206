"""Pictures as file and record together, and what a crash may leave."""

import asyncio
import io
import os
import struct
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.image_files.png_chunks import chunks
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.image_records.image_record_store import ImageRecordStore
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.images.orphan_sweep import OrphanSweep
from invokeai.app.services.shared.database.base import DatabaseUnavailable
from invokeai.app.services.shared.errors import InvalidInput, NotFound, TooLarge, UnsupportedMedia
from tests.app.services.shared.database.counting_database import CountingDatabase
from tests.storage_engines import empty_database

KINDS: dict[str, Any] = {"image_origin": ResourceOrigin.INTERNAL, "image_category": ImageCategory.GENERAL}
BAD_NAMES = ["../a.png", "..", "a/b.png", "a\\b.png", "", ".hidden", "a\0.png", "a b.png", "é.png", "x" * 121, "a..png"]


def picture(colour: str = "red", size: tuple[int, int] = (400, 300)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


class Pictures:
    """The service, and what lies behind it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "images"
        self.database = CountingDatabase(empty_database(root / "studio.db"))
        self.service = ImageService(DiskImageFileStorage(self.folder), ImageRecordStore(self.database), 1_000_000)

    def files(self) -> list[str]:
        """Every file stored, whatever its name."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    async def until_files(self, *names: str) -> None:
        """Until these are the files."""
        async with asyncio.timeout(60):
            while self.files() != [*names]:
                await asyncio.sleep(0.01)


@pytest.fixture
async def pictures(tmp_path: Path) -> AsyncIterator[Pictures]:
    made = Pictures(tmp_path)
    await made.database.migrate()
    yield made
    made.service.close()
    await made.database.close()


async def test_create_stores_file_and_record_and_then_a_thumbnail(pictures: Pictures) -> None:
    with pictures.database.counted() as trips:
        dto = await pictures.service.create(
            picture(),
            **KINDS,
            node_id="node",
            session_id="session",
            metadata='{"prompt":"é","seed":null}',
            workflow='{"nodes":[],"edges":[]}',
            graph='{"nodes":{},"edges":[]}',
        )
    assert trips.count == 1
    assert (dto.width, dto.height, dto.has_workflow, dto.node_id) == (400, 300, True, "node")
    assert pictures.files() == [dto.image_name]
    await pictures.until_files(dto.image_name, f"thumbnails/{dto.image_name.replace('.png', '.webp')}")
    assert await pictures.service.get_metadata(dto.image_name) == {"prompt": "é"}
    texts = await pictures.service.get_workflow_and_graph(dto.image_name)
    assert (texts.workflow, texts.graph) == ('{"nodes":[],"edges":[]}', '{"nodes":{},"edges":[]}')
    assert (await pictures.service.get_pil(dto.image_name)).getpixel((5, 5)) == (255, 0, 0)
    assert await pictures.service.get_dtos([dto.image_name]) == [dto]


async def test_create_with_a_name_may_be_repeated(pictures: Pictures) -> None:
    first = await pictures.service.create(picture("red"), image_name="run-1.png", **KINDS)
    again = await pictures.service.create(picture("blue"), image_name="run-1.png", **KINDS)
    assert again == first
    await pictures.until_files("run-1.png", "thumbnails/run-1.webp")
    small = Image.open(io.BytesIO((await pictures.service.get_thumbnail("run-1.png")).data)).convert("RGB")
    assert small.getpixel((5, 5))[2] > 200  # type: ignore[index]
    assert (await pictures.service.get_pil("run-1.png")).getpixel((5, 5)) == (0, 0, 255)


async def test_a_pil_image_may_be_given(pictures: Pictures) -> None:
    dto = await pictures.service.create(Image.new("RGBA", (20, 10)), **KINDS)
    assert (dto.width, dto.height, dto.has_workflow) == (20, 10, False)


async def test_a_record_never_stands_without_its_file(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    service = pictures.service
    for owner, method in ((service.files, "save"), (service.records, "insert"), (service.records, "delete")):

        async def noted(*args: Any, real: Any = getattr(owner, method), name: str = method) -> Any:
            order.append(name)
            return await real(*args)

        monkeypatch.setattr(owner, method, noted)

    async def files_delete(names: Any) -> None:
        order.append("delete files")

    dto = await service.create(picture(), **KINDS)
    monkeypatch.setattr(service.files, "delete", files_delete)
    await service.delete([dto.image_name])
    assert order == ["save", "insert", "delete", "delete files"]


async def test_a_failed_record_takes_its_file_along(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(pictures.service.records, "insert", away)
    pictures.service.patience_seconds = 0
    with pytest.raises(DatabaseUnavailable):
        await pictures.service.create(picture(), **KINDS)
    assert pictures.files() == []


async def test_a_generated_picture_waits_for_a_database_that_is_away(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = pictures.service.records.insert
    monkeypatch.setattr("invokeai.app.services.shared.patience.FIRST_WAIT_SECONDS", 0.01)
    failures = [DatabaseUnavailable("gone")] * 3

    async def away_at_first(record: Any) -> Any:
        if failures:
            raise failures.pop()
        return await insert(record)

    monkeypatch.setattr(pictures.service.records, "insert", away_at_first)
    dto = await pictures.service.create(picture(), **KINDS)
    assert pictures.files() and (await pictures.service.get_dto(dto.image_name)).width


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"text", UnsupportedMedia), (picture()[:-30], UnsupportedMedia), (picture(size=(1001, 1000)), TooLarge)],
)
async def test_what_is_refused_leaves_nothing(pictures: Pictures, data: bytes, error: type[Exception]) -> None:
    for attempt in (
        pictures.service.create(data, **KINDS),
        pictures.service.upload(data, image_category=ImageCategory.USER),
    ):
        with pytest.raises(error):
            await attempt
    assert pictures.files() == []
    assert await pictures.database.fetch("SELECT 1 FROM images") == []


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_name_never_leads_out(pictures: Pictures, name: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    service = pictures.service
    for attempt in (
        service.get_bytes(name),
        service.get_thumbnail(name),
        service.get_json(name),
        service.get_metadata(name),
        service.get_workflow_and_graph(name),
        service.get_dtos([name]),
        service.delete([name]),
        service.star([name]),
        service.unstar([name]),
        service.update(name, starred=True),
    ):
        with pytest.raises(InvalidInput):
            await attempt
    if name:
        with pytest.raises(InvalidInput):
            await service.create(picture(), image_name=name, **KINDS)
    assert (tmp_path / "a.png").exists()


async def test_what_is_not_there_is_not_found(pictures: Pictures) -> None:
    service = pictures.service
    for attempt in (
        service.get_bytes("no.png"),
        service.get_thumbnail("no.png"),
        service.get_pil("no.png"),
        service.get_dto("no.png"),
        service.get_metadata("no.png"),
        service.get_workflow_and_graph("no.png"),
        service.update("no.png", starred=True),
        service.delete_one("no.png"),
    ):
        with pytest.raises(NotFound, match=r"no\.png"):
            await attempt


async def test_a_thumbnail_that_waits_gives_way_to_that_of_another_picture(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invokeai.app.services.images.thumbnails.QUIET_SECONDS", 0)
    await pictures.service.create(picture("red"), image_name="run-1.png", **KINDS)
    await pictures.service.create(Image.new("RGB", (300, 300), "blue"), image_name="run-1.png", **KINDS)
    await asyncio.sleep(0.05)
    small = Image.open(io.BytesIO((await pictures.service.get_thumbnail("run-1.png")).data)).convert("RGB")
    assert small.getpixel((5, 5))[2] > 200  # type: ignore[index]


async def test_while_pictures_are_being_stored_a_thumbnail_is_drawn_for_those_who_ask_only(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invokeai.app.services.images.thumbnails.QUIET_SECONDS", 0)
    may_insert, insert = asyncio.Event(), pictures.service.records.insert

    async def slow(record: Any) -> Any:
        if record.image_name == "slow.png":
            await may_insert.wait()
        return await insert(record)

    monkeypatch.setattr(pictures.service.records, "insert", slow)
    storing = asyncio.create_task(pictures.service.create(picture(), image_name="slow.png", **KINDS))
    while pictures.files() != ["slow.png"]:
        await asyncio.sleep(0.01)
    await pictures.service.create(picture(), image_name="a.png", **KINDS)
    await pictures.service.create(picture(), image_name="b.png", **KINDS)
    assert (await pictures.service.get_thumbnail("b.png")).data[8:12] == b"WEBP"
    await asyncio.sleep(0.05)
    assert pictures.files() == ["a.png", "b.png", "slow.png", "thumbnails/b.webp"]
    may_insert.set()
    await storing
    pairs = [[f"{name}.png", f"thumbnails/{name}.webp"] for name in ("a", "b", "slow")]
    await pictures.until_files(*sorted(file for pair in pairs for file in pair))


async def test_where_browsers_fetch_files_themselves_the_thumbnail_is_there_at_once(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures.service.files, "url", lambda name, *, thumbnail: f"https://bucket/{name}")
    await pictures.service.create(picture(), image_name="a.png", **KINDS)
    assert pictures.files() == ["a.png", "thumbnails/a.webp"]


async def test_pixels_that_nobody_can_read_are_kept_all_the_same(pictures: Pictures) -> None:
    whole = picture()
    pixels = next(chunk for chunk in chunks(whole) if chunk.kind == b"IDAT")
    body = b"IDAT" + b"no pixels"
    damaged = whole[: pixels.start] + struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body))
    dto = await pictures.service.create(damaged + whole[pixels.end :], **KINDS)
    with pytest.raises(UnsupportedMedia, match="damaged"):
        await pictures.service.get_thumbnail(dto.image_name)
    assert (dto.width, dto.height) == (400, 300)
    assert b"no pixels" in await pictures.service.get_bytes(dto.image_name)


async def test_a_lost_thumbnail_is_made_again(pictures: Pictures) -> None:
    dto = await pictures.service.create(picture(), **KINDS)
    before = await pictures.service.get_thumbnail(dto.image_name)
    Path(pictures.service.get_path(dto.image_name, thumbnail=True)).unlink()
    assert (await pictures.service.get_thumbnail(dto.image_name)).data == before.data
    assert len(pictures.files()) == 2


async def test_delete_of_many_is_one_round_trip(pictures: Pictures) -> None:
    names = [f"{number}.png" for number in range(100)]
    small = picture(size=(4, 4))
    for name in names:
        await pictures.service.create(small, image_name=name, **KINDS)
    gone: list[str] = []
    pictures.service.on_deleted = gone.extend
    with pictures.database.counted() as trips:
        result = await pictures.service.delete([*names, "no.png"])
    assert trips.count == 1
    assert sorted(result.deleted_images) == sorted(names) == sorted(gone)
    assert (result.affected_boards, result.failed_images) == (["none"], ["no.png"])
    assert pictures.files() == []


async def test_star_and_unstar(pictures: Pictures) -> None:
    dto = await pictures.service.create(picture(), **KINDS)
    starred = await pictures.service.star([dto.image_name, "no.png"])
    assert starred.model_dump() == {
        "affected_boards": ["none"],
        "starred_images": [dto.image_name],
        "failed_images": ["no.png"],
    }
    assert (await pictures.service.get_dto(dto.image_name)).starred
    assert (await pictures.service.unstar([dto.image_name])).unstarred_images == [dto.image_name]
    assert not (await pictures.service.get_dto(dto.image_name)).starred


async def test_an_upload_takes_over_what_the_file_carries(pictures: Pictures) -> None:
    made = await pictures.service.create(
        picture(), **KINDS, metadata='{"seed":1}', graph='{"nodes":{},"edges":[]}', workflow='{"nodes":[],"edges":[]}'
    )
    data = await pictures.service.get_bytes(made.image_name)
    dto = await pictures.service.upload(data, image_category=ImageCategory.USER)
    assert dto.image_name != made.image_name
    assert (dto.image_origin, dto.has_workflow) == (ResourceOrigin.EXTERNAL, True)
    assert await pictures.service.get_metadata(dto.image_name) == {"seed": 1}
    assert await pictures.service.get_bytes(dto.image_name) == data
    dto = await pictures.service.upload(data, image_category=ImageCategory.USER, metadata='{"seed":2}')
    assert await pictures.service.get_metadata(dto.image_name) == {"seed": 2}
    assert b'{"seed":1}' not in await pictures.service.get_bytes(dto.image_name)


async def test_an_upload_drops_what_does_not_hold(pictures: Pictures) -> None:
    made = await pictures.service.create(picture(), **KINDS, metadata="[]", graph='{"nodes":[]}', workflow="{")
    dto = await pictures.service.upload(
        await pictures.service.get_bytes(made.image_name), image_category=ImageCategory.USER
    )
    assert not dto.has_workflow
    assert await pictures.service.get_metadata(dto.image_name) is None
    texts = await pictures.service.get_workflow_and_graph(dto.image_name)
    assert (texts.workflow, texts.graph) == (None, None)


async def test_metadata_too_large_for_a_record_stays_in_the_file(pictures: Pictures) -> None:
    large = '{"a":"' + "x" * 2_000_000 + '"}'
    dto = await pictures.service.create(picture(), **KINDS, metadata=large)
    assert await pictures.service.get_metadata(dto.image_name) is None
    assert large.encode() in await pictures.service.get_bytes(dto.image_name)
    with pytest.raises(InvalidInput, match="too large"):
        await pictures.service.upload(picture(), image_category=ImageCategory.USER, metadata=large)


async def test_orphans_are_swept_once_they_are_old(pictures: Pictures) -> None:
    kept = await pictures.service.create(picture(), **KINDS)
    await pictures.service.get_thumbnail(kept.image_name)
    await pictures.service.files.save("orphan.png", picture(), b"thumbnail")
    await pictures.service.files.save("fresh.png", picture(), b"thumbnail")
    (pictures.folder / ".tmp-1").write_bytes(b"half a pic")
    (pictures.folder / "thumbnails" / ".tmp-2").write_bytes(b"half a thumb")
    long_ago = time.time() - 7200
    for name in (kept.image_name, "orphan.png", ".tmp-1", "thumbnails/.tmp-2"):
        os.utime(pictures.folder / name, (long_ago, long_ago))
    assert await pictures.service.sweep_orphans() == ["orphan.png"]
    stem = kept.image_name.removesuffix(".png")
    assert pictures.files() == sorted(
        ["fresh.png", kept.image_name, "thumbnails/fresh.webp", f"thumbnails/{stem}.webp"]
    )


async def test_orphans_are_swept_while_the_studio_runs(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invokeai.app.services.images.orphan_sweep.OLDER_THAN_SECONDS", 0)
    kept = (await pictures.service.create(picture(), **KINDS)).image_name
    await pictures.service.files.save("orphan.png", picture(), b"thumbnail")
    sweep = OrphanSweep(pictures.service, first_seconds=0)
    sweep.start()
    async with asyncio.timeout(60):
        while await pictures.service.files.exists("orphan.png"):
            await asyncio.sleep(0.01)
    await sweep.stop()
    assert await pictures.service.files.names() == [kept]
