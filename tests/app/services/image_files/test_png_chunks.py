"""Text chunks in PNG, read back by Pillow as an independent reader."""

import io
import struct
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from invokeai.app.services.image_files.png_chunks import (
    METADATA,
    WORKFLOW,
    BrokenPng,
    chunks,
    png_size,
    read_texts,
    with_texts,
)


def png(width: int = 8, height: int = 5, texts: PngInfo | None = None) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((width, height), 50).save(buffer, "PNG", pnginfo=texts)
    return buffer.getvalue()


def pillow_texts(data: bytes) -> dict[str, str]:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return dict(image.text)  # type: ignore[attr-defined]


def pixels(data: bytes) -> bytes:
    return b"".join(data[c.start : c.end] for c in chunks(data) if c.kind == b"IDAT")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"prompt": "a hill"}', b"tEXt"),
        ('{"prompt": "é à"}', b"tEXt"),
        ("", b"tEXt"),
        ('{"prompt": "日本 ☃ 🏔"}', b"iTXt"),
        ("nul \0 inside", b"iTXt"),
        ("a" * 5000, b"zTXt"),
        ("雪" * 5000, b"iTXt"),
        ("b" * 1_048_577, b"tEXt"),
        ("雪" * 500_000, b"iTXt"),
    ],
)
def test_a_text_is_read_back_by_us_and_by_pillow(text: str, kind: bytes) -> None:
    source = png()
    data = with_texts(source, {METADATA: text})
    assert read_texts(data) == {METADATA: text}
    assert pillow_texts(data) == {METADATA: text}
    assert [c.kind for c in chunks(data)][:2] == [b"IHDR", kind]
    assert pixels(data) == pixels(source)


def test_long_texts_are_compressed() -> None:
    assert len(with_texts(png(), {METADATA: "a" * 100_000})) < len(png()) + 1000


def test_texts_of_the_same_name_are_replaced_and_others_stay() -> None:
    info = PngInfo()
    info.add_text(METADATA, "old")
    info.add_itxt(METADATA, "older")
    info.add_text(METADATA, "oldest", zip=True)
    info.add_text("Software", "A camera")
    data = with_texts(png(texts=info), {METADATA: "new", WORKFLOW: None})
    assert pillow_texts(data) == {METADATA: "new", "Software": "A camera"}
    assert with_texts(data, {METADATA: None}).count(METADATA.encode()) == 0


def test_pillows_own_texts_are_read() -> None:
    info = PngInfo()
    info.add_text(METADATA, "plain é")
    info.add_itxt(WORKFLOW, "日本", zip=True)
    assert read_texts(png(texts=info)) == {METADATA: "plain é", WORKFLOW: "日本"}


def test_what_hides_behind_the_picture_is_cut_off() -> None:
    data = png()
    assert with_texts(data + b"<script>alert(1)</script>", {}) == data


@pytest.mark.parametrize("keep", [0, 4, 8, 20, 33, 60, -1, -12])
def test_a_cut_file_is_broken(keep: int) -> None:
    data = png()
    with pytest.raises(BrokenPng):
        with_texts(data[:keep], {METADATA: "x"})


def test_a_flipped_bit_is_found() -> None:
    data = bytearray(png())
    data[45] ^= 1
    with pytest.raises(BrokenPng, match="checksum"):
        list(chunks(bytes(data)))


def test_a_text_that_unfolds_to_too_much_is_left_out() -> None:
    body = METADATA.encode() + b"\0\0" + zlib.compress(b"x" * (65 * 2**20))
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    data = png()
    assert read_texts(data[:33] + chunk + data[33:]) == {}


@pytest.mark.parametrize("body", [b"", b"\0", b"\1\0", b"\1\0\0\0not zlib", b"\0\0en"])
def test_a_damaged_text_is_left_out(body: bytes) -> None:
    body = METADATA.encode() + b"\0" + body
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    data = png()
    assert read_texts(data[:33] + chunk + data[33:]) == {}


def test_the_size_stands_in_the_header() -> None:
    assert png_size(png(300, 200)[:40]) == (300, 200)
    with pytest.raises(BrokenPng):
        png_size(b"\x89PNG\r\n\x1a\n")
