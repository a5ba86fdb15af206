"""When a thumbnail is drawn that is not there yet, and how often."""

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.images import thumbnails
from invokeai.app.services.images.thumbnails import Thumbnails
from invokeai.app.services.shared.errors import NotFound, UnsupportedMedia


class Drawings:
    """Thumbnails whose drawing is watched and can be held up. A thumbnail is the picture's first ten bytes."""

    def __init__(self, root: Path) -> None:
        self.files = DiskImageFileStorage(root)
        self.thumbnails = Thumbnails(self.files, self._draw)
        self.begun: list[bytes] = []
        self.reads = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self._read = self.files.read
        self.files.read = self._counted_read  # type: ignore[method-assign, assignment]

    async def store(self, name: str, picture: bytes) -> None:
        """A picture whose thumbnail comes later."""
        await self.files.save(name, picture, None)
        self.thumbnails.draw_later(name, picture)

    async def until(self, *small: bytes) -> None:
        """Until so many thumbnails are begun, and these are they."""
        async with asyncio.timeout(60):
            while len(self.begun) < len(small):
                await asyncio.sleep(0.01)
        assert self.begun == [*small]

    async def stored(self, name: str) -> bytes:
        """The thumbnail as it comes to lie in the store."""
        async with asyncio.timeout(60):
            while True:
                try:
                    return (await self._read(name, thumbnail=True)).data
                except NotFound:
                    await asyncio.sleep(0.01)

    async def _draw(self, picture: bytes) -> bytes:
        self.begun.append(picture[:10])
        await self.may_end.wait()
        if picture == b"damaged":
            raise UnsupportedMedia("The picture is damaged.")
        return picture[:10]

    async def _counted_read(self, name: str, *, thumbnail: bool = False) -> object:
        self.reads += not thumbnail
        return await self._read(name, thumbnail=thumbnail)


@pytest.fixture
async def drawings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Drawings]:
    monkeypatch.setattr(thumbnails, "QUIET_SECONDS", 0.01)
    watched = Drawings(tmp_path)
    yield watched
    watched.thumbnails.close()


async def test_what_is_being_stored_comes_first(drawings: Drawings) -> None:
    with drawings.thumbnails.put_off():
        await drawings.store("a.png", b"a")
        with drawings.thumbnails.put_off():
            await drawings.store("b.png", b"b")
        await asyncio.sleep(0.05)
        assert drawings.begun == []
    await drawings.until(b"a", b"b")
    assert await drawings.stored("b.png") == b"b"


async def test_one_that_is_asked_for_is_drawn_at_once_and_once(drawings: Drawings) -> None:
    with drawings.thumbnails.put_off():
        await drawings.store("a.png", b"a")
        await drawings.store("b.png", b"b")
        drawings.may_end.clear()
        asking = [asyncio.create_task(drawings.thumbnails.get("b.png")) for _ in range(3)]
        await drawings.until(b"b")
        asking.pop().cancel()
        drawings.may_end.set()
        assert [(await part).data for part in asking] == [b"b", b"b"]
    await drawings.until(b"b", b"a")
    assert (await drawings.thumbnails.get("a.png")).data == b"a"
    assert drawings.begun == [b"b", b"a"]


async def test_a_lost_one_is_drawn_once_for_all_who_ask(drawings: Drawings) -> None:
    await drawings.files.save("a.png", b"a", None)
    parts = await asyncio.gather(*(drawings.thumbnails.get("a.png") for _ in range(5)))
    assert [part.data for part in parts] == [b"a"] * 5
    assert drawings.begun == [b"a"]
    with pytest.raises(NotFound, match=r"no\.png"):
        await drawings.thumbnails.get("no.png")


async def test_no_more_than_two_pictures_are_in_memory_to_be_drawn(drawings: Drawings) -> None:
    for name in "abcd":
        await drawings.files.save(f"{name}.png", name.encode(), None)
    drawings.may_end.clear()
    asking = [asyncio.create_task(drawings.thumbnails.get(f"{name}.png")) for name in "abcd"]
    while drawings.reads < 2:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert drawings.reads == 2
    drawings.may_end.set()
    assert [(await part).data for part in asking] == [b"a", b"b", b"c", b"d"]


async def test_a_deleted_picture_leaves_no_thumbnail(drawings: Drawings) -> None:
    drawings.may_end.clear()
    await drawings.store("a.png", b"a")
    await drawings.until(b"a")
    with drawings.thumbnails.put_off():
        await drawings.store("b.png", b"b")
        drawings.thumbnails.forget(["a.png", "b.png"])
        await drawings.files.delete(["a.png", "b.png"])
    drawings.may_end.set()
    await drawings.store("c.png", b"c")
    assert await drawings.stored("c.png") == b"c"
    assert drawings.begun == [b"a", b"c"]
    for name in ("a.png", "b.png"):
        with pytest.raises(NotFound):
            await drawings.thumbnails.get(name)


async def test_a_replaced_picture_gets_its_own(drawings: Drawings) -> None:
    drawings.may_end.clear()
    await drawings.store("a.png", b"old")
    await drawings.until(b"old")
    await drawings.store("a.png", b"new")
    drawings.may_end.set()
    assert (await drawings.thumbnails.get("a.png")).data == b"new"
    await asyncio.sleep(0.05)
    assert await drawings.stored("a.png") == b"new"


async def test_what_is_too_much_to_hold_is_read_again(drawings: Drawings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnails, "HELD_BYTES", 20)
    with drawings.thumbnails.put_off():
        for name in "abc":
            await drawings.store(f"{name}.png", name.encode() * 8)
    await drawings.until(b"a" * 8, b"b" * 8, b"c" * 8)
    assert drawings.reads == 1
    assert await drawings.stored("c.png") == b"c" * 8
    with drawings.thumbnails.put_off():
        for name in "dddee":
            await drawings.store(f"{name}.png", name.encode() * 8)
    assert await drawings.stored("e.png") == b"e" * 8
    assert drawings.reads == 1, "what was drawn or replaced is still counted as held"


async def test_one_that_cannot_be_drawn_holds_up_no_other(drawings: Drawings, caplog: pytest.LogCaptureFixture) -> None:
    await drawings.store("a.png", b"damaged")
    await drawings.store("b.png", b"b")
    assert await drawings.stored("b.png") == b"b"
    assert [record.getMessage() for record in caplog.records] == ["The thumbnail of a.png could not be drawn"]
    with pytest.raises(UnsupportedMedia, match="damaged"):
        await drawings.thumbnails.get("a.png")


async def test_the_end_waits_for_no_thumbnail(drawings: Drawings, caplog: pytest.LogCaptureFixture) -> None:
    drawings.may_end.clear()
    await drawings.store("a.png", b"a")
    await drawings.until(b"a")
    drawings.thumbnails.close()
    await asyncio.sleep(0.02)
    gc.collect()
    assert caplog.records == []
    anew = Thumbnails(drawings.files, lambda picture: asyncio.sleep(0, picture))
    assert (await anew.get("a.png")).data == b"a"
