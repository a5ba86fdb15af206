"""What is stored of a picture, and what is refused before it is decoded."""

import io
import struct
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from PIL import Image, PngImagePlugin

from invokeai.app.services.image_files.picture_encoding import encode_picture, open_picture, undecoded_png
from invokeai.app.services.image_files.png_chunks import METADATA, WORKFLOW, chunks
from invokeai.app.services.shared.errors import InvalidInput, TooLarge, UnsupportedMedia

LIMIT = 1_000_000


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def colours(width: int = 400, height: int = 200, mode: str = "RGB") -> Image.Image:
    return Image.linear_gradient("L").resize((width, height)).convert(mode)


def test_a_png_keeps_its_pixels_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    source = saved(colours(), compress_level=9)
    monkeypatch.setattr(PngImagePlugin, "putchunk", None)  # any encoding of a PNG would fail
    stored = encode_picture(source, {METADATA: "{}"}, LIMIT)
    assert [source[c.start : c.end] for c in chunks(source)] == [
        stored.png[c.start : c.end] for c in chunks(stored.png) if c.kind != b"tEXt"
    ]
    assert (stored.width, stored.height, stored.texts) == (400, 200, {METADATA: "{}"})


def test_a_plain_png_is_stored_alike_without_a_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    source = encode_picture(colours(), {METADATA: "{}", WORKFLOW: "old"}, LIMIT).png
    decoded = encode_picture(source, {WORKFLOW: "new"}, LIMIT)
    monkeypatch.setattr(Image, "open", None)
    checked: list[int] = []
    crc32 = zlib.crc32
    monkeypatch.setattr(zlib, "crc32", lambda part: checked.append(len(part)) or crc32(part))
    undecoded = undecoded_png(source, {WORKFLOW: "new"}, LIMIT)
    assert undecoded == replace(decoded, thumbnail=None)
    assert sum(checked) < 1.1 * len(source), "the checksums were looked at more than once"


def test_what_is_not_shown_as_its_pixels_are_takes_a_decoder() -> None:
    frame, exif = Image.new("RGB", (20, 10)), Image.Exif()
    exif[0x0112] = 6
    turned = PngImagePlugin.PngInfo()
    turned.add_itxt("XML:com.adobe.xmp", '<rdf:Description tiff:Orientation="6"/>')
    whole = saved(frame)
    others = [
        saved(frame, save_all=True, append_images=[Image.new("RGB", (20, 10), "red")]),
        saved(frame, exif=exif),
        saved(frame, pnginfo=turned),
        saved(frame, "JPEG"),
        whole[:-20],
        whole[:50] + bytes([whole[50] ^ 1]) + whole[51:],
        whole[:33] + whole[-12:],
        b"",
    ]
    assert [undecoded_png(data, {}, LIMIT) for data in others] == [None] * len(others)
    with pytest.raises(TooLarge):
        undecoded_png(saved(Image.new("1", (LIMIT + 1, 1))), {}, LIMIT)


def test_a_pil_image_becomes_png_with_the_same_pixels() -> None:
    image = colours(mode="RGBA")
    stored = encode_picture(image, {METADATA: "{}"}, LIMIT)
    assert opened(stored.png).tobytes() == image.tobytes()
    assert opened(stored.png).text == {METADATA: "{}"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("format", ["WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_other_formats_become_png(format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    stored = encode_picture(saved(colours(), format, **options), {}, LIMIT)
    assert opened(stored.png).format == "PNG"
    assert opened(stored.png).size == (400, 200)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "F", "HSV", "PA"])
def test_every_mode_is_stored_and_shown(mode: str) -> None:
    image = Image.new(mode, (300, 600))
    stored = encode_picture(image, {}, LIMIT)
    assert opened(stored.png).size == (300, 600)
    assert opened(stored.thumbnail).size == (128, 256)


def test_a_picture_that_lies_on_its_side_is_turned() -> None:
    image = colours(400, 200)
    exif = Image.Exif()
    exif[0x0112] = 6
    for format in ("JPEG", "PNG"):
        stored = encode_picture(saved(image, format, exif=exif), {}, LIMIT)
        assert (stored.width, stored.height) == (200, 400)
        assert opened(stored.png).getexif().get(0x0112, 1) == 1


def test_an_animation_is_stored_as_its_first_picture() -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    for format in ("PNG", "GIF"):
        data = saved(frames[0], format, save_all=True, append_images=frames[1:])
        stored = encode_picture(data, {}, LIMIT)
        assert b"acTL" not in stored.png
        assert opened(stored.png).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1024, 512), (256, 128)), ((3, 900), (1, 256)), ((64, 32), (64, 32)), ((256, 256), (256, 256))],
)
def test_a_thumbnail_is_webp_within_256_pixels(size: tuple[int, int], expected: tuple[int, int]) -> None:
    thumbnail = opened(encode_picture(colours(*size), {}, LIMIT).thumbnail)
    assert (thumbnail.format, thumbnail.size) == ("WEBP", expected)


def test_a_thumbnail_keeps_transparency_and_colour() -> None:
    image = Image.new("RGBA", (512, 512), (200, 30, 30, 255))
    image.paste((0, 0, 0, 0), (0, 0, 512, 256))
    thumbnail = opened(encode_picture(image, {}, LIMIT).thumbnail).convert("RGBA")
    assert thumbnail.getpixel((128, 10))[3] == 0  # type: ignore[index]
    red, green, *_ = thumbnail.getpixel((128, 250))  # type: ignore[misc]
    assert red > 180 and green < 50


def test_sixteen_bit_grey_is_not_clipped_in_the_thumbnail() -> None:
    thumbnail = opened(encode_picture(Image.new("I;16", (300, 300), 32768), {}, LIMIT).thumbnail)
    assert abs(thumbnail.convert("L").getpixel((9, 9)) - 128) < 4  # type: ignore[operator]


PNG = saved(Image.effect_noise((100, 100), 90))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"just some text",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        PNG[:-200],
        PNG[:20],
        PNG[: len(PNG) // 2],
        saved(colours(), "JPEG")[:900],
        saved(colours(), "WEBP")[:100],
        b"RIFF\0\0\0\0WEBPVP8 ",
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        encode_picture(data, {}, LIMIT)
    with pytest.raises(UnsupportedMedia):
        open_picture(data, LIMIT)


def test_pixels_that_are_cut_inside_whole_chunks_are_refused() -> None:
    body = zlib.compress(b"\0" * 500)
    with pytest.raises(UnsupportedMedia):
        encode_picture(_png(100, 100, body), {}, LIMIT)


def _png(width: int, height: int, idat: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


def bomb(format: str) -> bytes:
    """20,000 × 20,000 pixels in a small file."""
    if format == "PNG":
        deflater = zlib.compressobj(9)
        rows = b"".join(deflater.compress(b"\0" * 20_001) for _ in range(20_000)) + deflater.flush()
        return _png(20_000, 20_000, rows)
    return saved(Image.new("1", (20_000, 20_000)), "TIFF", compression="group4")


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_a_bomb_is_refused_by_its_header(format: str) -> None:
    data = bomb(format)
    tracemalloc.start()
    for refuse in (lambda: encode_picture(data, {}, 100_000_000), lambda: open_picture(data, 100_000_000)):
        with pytest.raises(TooLarge, match="pixels"):
            refuse()
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_the_limit_holds_for_pil_images_too() -> None:
    with pytest.raises(TooLarge):
        encode_picture(colours(1001, 1000), {}, LIMIT)
    with pytest.raises(InvalidInput):
        encode_picture(Image.new("RGB", (0, 5)), {}, LIMIT)
