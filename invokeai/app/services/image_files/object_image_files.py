"""Pictures as two objects each: the PNG below one prefix, its WebP thumbnail below another."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from invokeai.app.services.image_files.image_file_storage import FilePart, ImageFileStorage, validate_name
from invokeai.app.services.shared.errors import NotFound
from invokeai.app.services.shared.objects.object_store import ObjectStore


class ObjectImageFiles(ImageFileStorage):
    """An ImageFileStorage over any ObjectStore: `<images><name>` and `<thumbnails><stem>.webp`."""

    def __init__(self, objects: ObjectStore, images: str, thumbnails: str) -> None:
        self.objects = objects
        self._images = images
        self._thumbnails = thumbnails

    async def save(self, name: str, png: bytes, thumbnail: bytes | None) -> None:
        if thumbnail is not None:  # first: a picture that is listed as there has everything
            await self.save_thumbnail(name, thumbnail)
        await self.objects.put(self._key(name), png, "image/png")

    async def save_thumbnail(self, name: str, thumbnail: bytes) -> None:
        await self.objects.put(self._key(name, thumbnail=True), thumbnail, "image/webp")

    async def read(self, name: str, *, thumbnail: bool = False, start: int = 0, length: int | None = None) -> FilePart:
        try:
            return await self.objects.get(self._key(name, thumbnail=thumbnail), start, length)
        except NotFound:
            raise NotFound(f"There is no image {name}.") from None

    async def delete(self, names: Iterable[str]) -> None:
        await self.objects.delete([self._key(name, thumbnail=small) for name in names for small in (False, True)])

    async def names(self, older_than_seconds: float = 0) -> list[str]:
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        keys = [entry.key async for entry in self.objects.entries(self._images) if entry.modified <= before]
        found = (key.removeprefix(self._images) for key in keys)
        return [name for name in found if "/" not in name]

    def get_path(self, name: str, *, thumbnail: bool = False) -> str:
        return self._key(name, thumbnail=thumbnail)

    def _key(self, name: str, *, thumbnail: bool = False) -> str:
        validate_name(name)
        return f"{self._thumbnails}{PurePosixPath(name).stem}.webp" if thumbnail else f"{self._images}{name}"
