"""The object port: named bytes that outlive the process. Keys are ours, `folder/name`, never a user's text.

An object is there wholly or not at all.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from invokeai.app.services.shared.errors import NotFound


@dataclass(frozen=True, slots=True)
class ObjectPart:
    """Bytes of an object from `start` on; `total` is the whole object's size in bytes."""

    data: bytes
    start: int
    total: int
    etag: str
    """Changes when the content does; without quotes."""


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """An object in a listing; `size` in bytes, `modified` in UTC."""

    key: str
    size: int
    modified: datetime


class ObjectStore(ABC):
    """Objects by key. Every method raises Unavailable when the store does not answer."""

    @abstractmethod
    async def put(self, key: str, data: bytes, content_type: str, *, if_absent: bool = False) -> str:
        """Store an object; its entity tag. Raises Conflict with `if_absent` when the key is taken."""

    @abstractmethod
    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Store a file's content; the file may be moved away or stay."""

    def open_unnamed(self) -> IO[bytes]:
        """An empty file without a name, which nothing is left of when it is closed. Raises OSError."""
        return TemporaryFile(buffering=0)

    async def put_open(self, key: str, file: IO[bytes], content_type: str) -> None:
        """Store the whole content of such a file, which stays open and readable."""
        await self.put(key, await asyncio.to_thread(_whole, file), content_type)

    @abstractmethod
    async def get(self, key: str, start: int = 0, length: int | None = None) -> ObjectPart:
        """`length` bytes (None: the rest) from `start`; a negative start counts from the end. Raises NotFound."""

    @abstractmethod
    async def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; what is not there is passed over."""

    @abstractmethod
    def entries(self, prefix: str) -> AsyncIterator[ObjectEntry]:
        """Objects whose key begins with `prefix`, in the order of keys."""

    @abstractmethod
    async def probe(self) -> None:
        """Return when the store answers and may be used; a try, of which nothing stays."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections."""

    async def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            await self.get(key, 0, 0)
        except NotFound:
            return False
        return True


def _whole(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
