"""How much of what was paid for is in memory at once, however many calls end at the same moment.

An answer that arrives lies in an unnamed file, is kept for good when few others are, and waits there for its place
among the pictures that are being decoded and stored. What the disk does not take stays in memory: nothing is lost.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

PLACES = 4
"""Calls whose pictures are in memory at once: enough to keep the cores busy while others wait for the disk."""
IN_MEMORY_BYTES = 64 * 1024


class Place:
    """One call's place, from the moment it needs it until it is left."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free = free
        self._taken = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._taken:
            self._free.release()

    async def take(self) -> None:
        """Wait for the place; at once when the call has it."""
        if not self._taken:
            await self._free.acquire()
            self._taken = True


_place: ContextVar[Place | None] = ContextVar("picture_place", default=None)


@contextmanager
def working_in(place: Place | None) -> Iterator[None]:
    """What runs inside and asks for its place gets this one; None: it has room without."""
    token = _place.set(place)
    try:
        yield
    finally:
        _place.reset(token)


async def take_place() -> None:
    """Wait until this call may have its pictures in memory."""
    if place := _place.get():
        await place.take()


class WaitingBytes:
    """Bytes that come in parts, and lie in a file when they are many."""

    def __init__(self) -> None:
        self.size = 0
        self._file: IO[bytes] | None = None
        self._rest = bytearray()

    def add(self, part: bytes) -> None:
        """Take over what came."""
        self.size += len(part)
        self._rest += part
        if len(self._rest) >= IN_MEMORY_BYTES:
            with suppress(OSError):  # the disk is full, or not writable
                self._file = self._file or TemporaryFile(buffering=0)  # noqa: SIM115 - as long as these bytes
                del self._rest[: self._file.write(self._rest)]

    def read(self) -> bytes:
        """All of them."""
        if self._file is None:
            return bytes(self._rest)
        self._file.seek(0)
        return self._file.read() + bytes(self._rest)
