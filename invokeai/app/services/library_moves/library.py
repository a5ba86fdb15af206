"""A library as a move sees it: a database, an object store, and where each of them is.

Keys of objects are spoken of as a bucket has them; on disk thumbnails lie one folder deeper.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.objects.object_store import ObjectEntry, ObjectStore

THUMBNAILS = "thumbnails/"
NOT_MOVED = ("downloads/", "tensors/")
"""Folders that may be emptied at any time."""
_CONTENT_TYPES = {"png": "image/png", "webp": "image/webp"}


@dataclass(frozen=True, slots=True)
class Library:
    """Records and files of one studio. The places are equal when two libraries share the part."""

    database: Database
    objects: ObjectStore
    database_place: str
    objects_place: str
    thumbnails: str = THUMBNAILS
    """How keys of picture thumbnails begin in `objects`."""

    @property
    def place(self) -> str:
        """Both places, for people."""
        return f"{self.database_place} with {self.objects_place}"

    async def files(self) -> AsyncIterator[ObjectEntry]:
        """Every file that belongs to the library, with its key as a bucket has it."""
        async for entry in self.objects.entries(""):
            if not entry.key.startswith(NOT_MOVED):
                yield ObjectEntry(self._portable(entry.key), entry.size, entry.modified)

    async def read(self, key: str) -> bytes:
        """A file's bytes. Raises NotFound, Unavailable."""
        return (await self.objects.get(self._native(key))).data

    async def write(self, key: str, data: bytes) -> None:
        """Store a file, in place of what had its key. Raises Unavailable."""
        content_type = _CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
        await self.objects.put(self._native(key), data, content_type)

    async def close(self) -> None:
        """Let go of both."""
        await self.objects.close()
        await self.database.close()

    def _portable(self, key: str) -> str:
        return THUMBNAILS + key.removeprefix(self.thumbnails) if key.startswith(self.thumbnails) else key

    def _native(self, key: str) -> str:
        return self.thumbnails + key.removeprefix(THUMBNAILS) if key.startswith(THUMBNAILS) else key
