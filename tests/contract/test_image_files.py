"""What every ImageFileStorage promises, run over each of them."""

import asyncio

import pytest

from invokeai.app.services.image_files.image_file_storage import ImageFileStorage
from invokeai.app.services.shared.errors import InvalidInput, NotFound

PNG, THUMBNAIL = bytes(range(256)) * 40, b"thumbnail"


async def test_what_is_saved_is_read(any_image_files: ImageFileStorage) -> None:
    await any_image_files.save("a.png", PNG, THUMBNAIL)
    whole = await any_image_files.read("a.png")
    assert (whole.data, whole.start, whole.total) == (PNG, 0, len(PNG))
    assert (await any_image_files.read("a.png", thumbnail=True)).data == THUMBNAIL
    assert whole.etag and whole.etag == (await any_image_files.read("a.png", length=1)).etag
    assert await any_image_files.exists("a.png")


@pytest.mark.parametrize(
    "start, length, expected",
    [(0, 10, PNG[:10]), (100, 7, PNG[100:107]), (10_000, None, PNG[10_000:]), (-5, None, PNG[-5:]), (0, 0, b"")],
)
async def test_ranges(any_image_files: ImageFileStorage, start: int, length: int | None, expected: bytes) -> None:
    await any_image_files.save("a.png", PNG, THUMBNAIL)
    part = await any_image_files.read("a.png", start=start, length=length)
    assert (part.data, part.total) == (expected, len(PNG))
    if expected:
        assert part.start == (start if start >= 0 else len(PNG) + start)


async def test_saving_again_replaces(any_image_files: ImageFileStorage) -> None:
    await any_image_files.save("a.png", PNG, THUMBNAIL)
    await any_image_files.save("a.png", b"new", b"small")
    assert (await any_image_files.read("a.png")).data == b"new"
    assert (await any_image_files.read("a.png", thumbnail=True)).data == b"small"
    await any_image_files.save_thumbnail("a.png", b"smaller")
    assert (await any_image_files.read("a.png", thumbnail=True)).data == b"smaller"


async def test_delete_takes_both_and_passes_over_what_is_gone(any_image_files: ImageFileStorage) -> None:
    names = [f"{number}.png" for number in range(25)]
    await asyncio.gather(*(any_image_files.save(name, PNG, THUMBNAIL) for name in names))
    assert sorted(await any_image_files.names()) == sorted(names)
    await any_image_files.delete([*names[1:], "never-there.png"])
    assert await any_image_files.names() == ["0.png"]
    assert not await any_image_files.exists("1.png")
    with pytest.raises(NotFound):
        await any_image_files.read("1.png", thumbnail=True)


async def test_listing_leaves_out_what_is_fresh(any_image_files: ImageFileStorage) -> None:
    await any_image_files.save("a.png", PNG, THUMBNAIL)
    assert await any_image_files.names(older_than_seconds=3600) == []


async def test_a_missing_picture_is_named(any_image_files: ImageFileStorage) -> None:
    with pytest.raises(NotFound, match=r"none\.png"):
        await any_image_files.read("none.png")


@pytest.mark.parametrize(
    "name", ["../a.png", "a/../b.png", "/etc/passwd", "", ".hidden", "ä.png", "a" * 300, "a\0.png"]
)
async def test_a_name_never_leads_out(any_image_files: ImageFileStorage, name: str) -> None:
    with pytest.raises(InvalidInput):
        any_image_files.get_path(name)
    with pytest.raises(InvalidInput):
        await any_image_files.read(name)
    with pytest.raises(InvalidInput):
        await any_image_files.save(name, PNG, THUMBNAIL)
    assert await any_image_files.names() == []
