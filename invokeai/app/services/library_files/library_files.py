"""Small pictures of the library (workflow thumbnails, preset images): written once under a new id, never changed.

Order: the file is written before a record names it and removed after no record does, so a record never points at
nothing.
"""

import asyncio
import re
from uuid import uuid4

from invokeai.app.services.shared.errors import NotFound, TooLarge, UnsupportedMedia
from invokeai.app.services.shared.objects.object_store import ObjectStore

MAX_PICTURE_BYTES = 20 * 2**20
SIDE_PIXELS = 256
_ID = re.compile(r"[0-9a-f-]{36}")
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


class LibraryFileStore:
    """WebP files of at most 256 x 256 pixels in one folder of a store. Ids are ours; any other id is not found."""

    def __init__(self, objects: ObjectStore, folder: str, max_pixels: int) -> None:
        self._objects = objects
        self._folder = folder
        self._max_pixels = max_pixels

    async def save(self, picture: bytes) -> str:
        """Shrink and store a picture; its new id.

        Raises:
            UnsupportedMedia: the bytes are no picture that can be read.
            TooLarge: too many bytes or pixels.
        """
        if len(picture) > MAX_PICTURE_BYTES:
            raise TooLarge(f"The picture may have {MAX_PICTURE_BYTES // 2**20} MB, this one has more.")
        file_id = str(uuid4())
        small = await asyncio.to_thread(_shrunk, picture, self._max_pixels)
        await self._objects.put(self._key(file_id), small, "image/webp")
        return file_id

    async def get(self, file_id: str) -> bytes:
        """The WebP bytes.

        Raises:
            NotFound: there is no such file.
        """
        try:
            return (await self._objects.get(self._key(file_id))).data
        except NotFound:
            raise NotFound("The picture is not there.") from None

    async def delete(self, file_id: str | None) -> None:
        """Remove a file; no fault when it is None or gone."""
        if file_id is not None:
            await self._objects.delete([self._key(file_id)])

    def _key(self, file_id: str) -> str:
        if not _ID.fullmatch(file_id):
            raise NotFound("The picture is not there.")
        return f"{self._folder}/{file_id}.webp"


def _shrunk(picture: bytes, max_pixels: int) -> bytes:
    """`picture` as WebP within 256 x 256 pixels."""
    from io import BytesIO

    from PIL import Image, ImageOps

    try:
        with Image.open(BytesIO(picture), formats=_FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise TooLarge(f"The picture may have {max_pixels:,} pixels, this one has more.")
            image.draft("RGB", (SIDE_PIXELS * 2, SIDE_PIXELS * 2))
            upright = ImageOps.exif_transpose(image)
            small = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise UnsupportedMedia("The file is not a picture that can be read (PNG, JPEG, WebP, GIF or BMP).") from None
    small.thumbnail((SIDE_PIXELS, SIDE_PIXELS))
    out = BytesIO()
    small.save(out, "WEBP", quality=85)
    return out.getvalue()
