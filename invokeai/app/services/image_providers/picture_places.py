"""How much of what was paid for is in memory at once, however many calls end at the same moment.

An answer that arrives lies in an unnamed file, which gets its name when it is kept for good, and waits there for its
place among the pictures that are being decoded and stored. What the disk does not take stays in memory.
"""

import asyncio
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

PLACES = 4
"""Calls whose pictures are in memory at once: enough to keep the cores busy while others wait for the disk."""
IN_MEMORY_BYTES = 64 * 1024

OpenFile = Callable[[], IO[bytes]]


class Place:
    """One call's place, from the moment it needs it until it is left. `open_file` makes the file its answer lies in.

    `free` are all places; of those that need much memory, one at a time has `large` too.
    """

    def __init__(self, free: asyncio.Semaphore, open_file: OpenFile, large: asyncio.Semaphore | None = None) -> None:
        self.open_file = open_file
        self._free = free
        self._large = large
        self._taken: list[asyncio.Semaphore] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for taken in self._taken:
            taken.release()

    async def take(self, *, large: bool = False) -> None:
        """Wait for the place, and with `large` for the one of the large; at once when the call has it."""
        for wanted in (self._free, self._large if large else None):
            if wanted is not None and wanted not in self._taken:
                await wanted.acquire()
                self._taken.append(wanted)


_place: ContextVar[Place | None] = ContextVar("picture_place", default=None)


@contextmanager
def working_in(place: Place | None) -> Iterator[None]:
    """What runs inside and asks for its place gets this one; None: it has room without."""
    token = _place.set(place)
    try:
        yield
    finally:
        _place.reset(token)


async def take_place(*, large: bool = False) -> None:
    """Wait until this call may have its pictures in memory; with `large`, until no other such call has."""
    if place := _place.get():
        await place.take(large=large)


class WaitingBytes:
    """Bytes that come in parts, and lie in a file when they are many: in the one that they are kept in for good, where
    the call's place has one. `head` precedes them there."""

    def __init__(self, head: bytes = b"") -> None:
        self.size = 0
        self._head = len(head)
        self._rest = bytearray(head)
        self._file: IO[bytes] | None = None
        place = _place.get()
        self._open = place.open_file if place else _unnamed

    def add(self, part: bytes) -> None:
        """Take over what came."""
        self.size += len(part)
        self._rest += part
        if len(self._rest) >= IN_MEMORY_BYTES:
            self._move()

    def read(self) -> bytes:
        """All of them."""
        if self._file is None:
            return bytes(self._rest[self._head :])
        self._file.seek(self._head)
        return self._file.read() + bytes(self._rest)

    def file(self) -> IO[bytes] | None:
        """The file with the head and all of them; None where memory holds some."""
        while self._file is not None and self._rest:
            if not self._move():
                return None
        return self._file

    def __contains__(self, part: bytes) -> bool:
        if (file := self.file()) is None:
            return part in self.read()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            return whole.find(part) >= 0

    def _move(self) -> bool:
        """Out of memory; False: the disk is full, or not writable."""
        with suppress(OSError):
            self._file = self._file or self._open()
            del self._rest[: self._file.write(self._rest)]
            return True
        return False


def _unnamed() -> IO[bytes]:
    return TemporaryFile(buffering=0)
