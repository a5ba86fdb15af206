"""Pictures in, PNG and thumbnail out. Nothing is decoded before its header says that it fits.

A whole PNG keeps its pixels' bytes; everything else becomes PNG once. Runs in worker threads only.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from invokeai.app.services.image_files.png_chunks import (
    OUR_TEXTS,
    PNG_SIGNATURE,
    BrokenPng,
    Chunk,
    chunks,
    is_plain,
    png_size,
    read_texts,
    with_texts,
)
from invokeai.app.services.shared.errors import InvalidInput, ServiceError, TooLarge, UnsupportedMedia

if TYPE_CHECKING:
    from PIL.Image import Image

Edit = Callable[["Image"], "Image"]

THUMBNAIL_PIXELS = 256
"""Longest side of a thumbnail."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What is accepted. Other decoders that Pillow has are never reached by foreign bytes."""
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")
_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A picture ready to be stored. Size in pixels; `texts` are ours that the PNG carries.

    `thumbnail` is WebP, or None where the picture was not decoded.
    """

    png: bytes
    thumbnail: bytes | None
    width: int
    height: int
    texts: Mapping[str, str]


def encode_picture(
    picture: "Image | bytes", texts: Mapping[str, str | None], max_pixels: int, edit: Edit | None = None
) -> EncodedPicture:
    """PNG with `texts` and thumbnail (WebP) of a PIL image or of an image file's bytes.

    Args:
        picture: what to store.
        texts: text chunks to write; None takes one out, a missing keyword keeps what the file has.
        max_pixels: most pixels (width times height) that are decoded.
        edit: changes the decoded picture; it is encoded anew then.

    Raises:
        UnsupportedMedia: the bytes are no picture, or a broken one.
        TooLarge: it has more than `max_pixels`.
        InvalidInput: it is empty.
    """
    if isinstance(picture, bytes):
        png, image, found = _from_bytes(picture, max_pixels, edit)
    else:
        _check_size(*picture.size, max_pixels)
        image, found = edit(picture) if edit else picture, {}
        png = _to_png(image)
    spliced, final = _spliced(png, found, texts)
    return EncodedPicture(spliced, _thumbnail(image), image.width, image.height, final)


def undecoded_png(data: bytes, texts: Mapping[str, str | None], max_pixels: int) -> EncodedPicture | None:
    """What `encode_picture` makes of a whole PNG, but for the thumbnail; None where it takes a decoder.

    For pictures whose maker is trusted with pixels that can be read: only sizes and checksums are looked at.

    Raises:
        TooLarge: it has more than `max_pixels`. InvalidInput: it is empty.
    """
    try:
        width, height = png_size(data)
        _check_size(width, height, max_pixels)
        parts = list(chunks(data))
    except BrokenPng:
        return None
    if not is_plain(data, parts):
        return None
    png, final = _spliced(data, read_texts(data, parts=parts), texts, parts)
    return EncodedPicture(png, None, width, height, final)


def _spliced(
    png: bytes, found: Mapping[str, str], texts: Mapping[str, str | None], parts: Iterable[Chunk] | None = None
) -> tuple[bytes, Mapping[str, str]]:
    """The PNG with `texts` in place of what it has (`found`), and the texts of ours that it carries then."""
    kept = {keyword: text for keyword, text in found.items() if keyword not in texts}
    final = {**kept, **{keyword: text for keyword, text in texts.items() if text is not None}}
    return with_texts(png, {**dict.fromkeys(OUR_TEXTS), **final}, parts), final


def open_picture(data: bytes, max_pixels: int) -> "Image":
    """The decoded picture. Raises UnsupportedMedia, TooLarge."""
    if data.startswith(PNG_SIGNATURE):
        try:
            _check_size(*png_size(data), max_pixels)
        except BrokenPng as error:
            raise UnsupportedMedia(f"The picture is damaged: {error}.") from None
    return _decode(data, max_pixels)


def thumbnail_of(data: bytes, max_pixels: int) -> bytes:
    """A thumbnail (WebP) of an image file's bytes. Raises UnsupportedMedia, TooLarge."""
    return _thumbnail(open_picture(data, max_pixels))


def _from_bytes(data: bytes, max_pixels: int, edit: Edit | None) -> "tuple[bytes, Image, dict[str, str]]":
    """PNG bytes, decoded picture and the texts of ours that it had."""
    found: dict[str, str] = {}
    keep = False
    if data.startswith(PNG_SIGNATURE):
        try:
            _check_size(*png_size(data), max_pixels)
            found, keep = read_texts(data), edit is None
        except BrokenPng as error:
            raise UnsupportedMedia(f"The picture is damaged: {error}.") from None
    image = _decode(data, max_pixels)
    # an animation is stored as its first picture, as nothing else here shows more
    keep = keep and not getattr(image, "is_animated", False)
    if image.getexif().get(_ORIENTATION_TAG, 1) != 1:
        from PIL import ImageOps

        image, keep = ImageOps.exif_transpose(image), False
    if edit:
        image = edit(image)
    return data if keep else _to_png(image), image, found


def _decode(data: bytes, max_pixels: int) -> "Image":
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _check_size(*image.size, max_pixels)
        image.load()
    except ServiceError:
        raise
    except (UnidentifiedImageError, KeyError):
        raise UnsupportedMedia("The file is not a picture of a kind that is accepted here.") from None
    except Image.DecompressionBombError:
        raise _too_large(max_pixels) from None
    except Exception as error:  # a decoder fed with foreign bytes may raise anything
        raise UnsupportedMedia(f"The picture is damaged: {error}.") from None
    return image


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise InvalidInput("The picture is empty: it has no pixels.")
    if width * height > max_pixels:
        raise _too_large(max_pixels, f"{width} × {height} pixels")


def _too_large(max_pixels: int, size: str = "too many pixels") -> TooLarge:
    return TooLarge(f"The picture has {size}; at most {max_pixels:,} in all are accepted here.")


def _to_png(image: "Image") -> bytes:
    buffer = io.BytesIO()
    profile = image.info.get("icc_profile")
    if image.mode not in _PNG_MODES:
        # a colour profile of the old mode would be wrong for the new one
        image, profile = image.convert("RGBA" if "A" in image.mode or "a" in image.mode else "RGB"), None
    image.save(buffer, "PNG", compress_level=1, icc_profile=profile)
    return buffer.getvalue()


def _thumbnail(image: "Image") -> bytes:
    from PIL.Image import Resampling

    if image.mode.startswith("I"):
        small = image.convert("I").point(lambda value: value / 256).convert("L")
    elif image.mode == "P" or image.mode not in ("RGB", "RGBA", "L"):
        small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    else:
        small = image.copy() if max(image.size) <= THUMBNAIL_PIXELS else image
    if max(small.size) > THUMBNAIL_PIXELS:
        scale = THUMBNAIL_PIXELS / max(small.size)
        size = (max(1, round(small.width * scale)), max(1, round(small.height * scale)))
        # means of whole blocks, down to the size where that is exact: a fifth of a filter's time on large pictures
        small = small.resize(size, Resampling.BICUBIC, reducing_gap=1.0)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80, method=1)
    return buffer.getvalue()
