"""The file port: where pictures and their thumbnails lie, by name.

A name never leads out of the store. A file is there wholly or not at all.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable

from invokeai.app.services.shared.errors import InvalidInput, NotFound
from invokeai.app.services.shared.objects.object_store import ObjectPart

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
MAX_NAME_LENGTH = 120


def validate_name(name: str) -> str:
    """The name, if it may name a file here. Raises InvalidInput."""
    if not _NAME.fullmatch(name) or ".." in name or name.startswith(".") or len(name) > MAX_NAME_LENGTH:
        shown = name if len(name) <= 80 else name[:80] + "…"
        raise InvalidInput(f"“{shown}” is not the name of an image.")
    return name


FilePart = ObjectPart


class ImageFileStorage(ABC):
    """Pictures (PNG) and thumbnails (WebP). Every method raises InvalidInput for a name that cannot be."""

    @abstractmethod
    async def save(self, name: str, png: bytes, thumbnail: bytes | None) -> None:
        """Store both, or the picture alone; a file of that name is replaced at once. Raises Unavailable."""

    @abstractmethod
    async def save_thumbnail(self, name: str, thumbnail: bytes) -> None:
        """Store a picture's thumbnail alone. Raises Unavailable."""

    @abstractmethod
    async def read(self, name: str, *, thumbnail: bool = False, start: int = 0, length: int | None = None) -> FilePart:
        """`length` bytes (None: the rest) from `start`; a negative start counts from the end. Raises NotFound."""

    @abstractmethod
    async def delete(self, names: Iterable[str]) -> None:
        """Delete pictures and thumbnails; what is not there is passed over."""

    @abstractmethod
    async def names(self, older_than_seconds: float = 0) -> list[str]:
        """Names of the pictures stored at least so long ago."""

    @abstractmethod
    def get_path(self, name: str, *, thumbnail: bool = False) -> str:
        """Where the file lies: a path or an object key."""

    async def exists(self, name: str) -> bool:
        """Whether the picture is there."""
        try:
            await self.read(name, length=0)
        except NotFound:
            return False
        return True

    def url(self, name: str, *, thumbnail: bool = False) -> str | None:
        """Where a browser can fetch the file by itself, or None: it is served by the studio."""
        return None
