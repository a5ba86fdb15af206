"""Thumbnails that are not there yet: drawn once nothing more urgent is being stored, or when somebody asks first.

A thumbnail can be drawn at any time, a picture may have been paid for: the pictures of a burst are all safe before the
first of their thumbnails is begun. What a crash leaves without one gets it when it is asked for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from invokeai.app.services.image_files.image_file_storage import FilePart, ImageFileStorage
from invokeai.app.services.shared.errors import NotFound
from invokeai.app.services.shared.faults import faults_are_logged

logger = logging.getLogger(__name__)

AT_ONCE = 2
"""Pictures that are in memory at once to be drawn small."""
HELD_BYTES = 4 * 2**20
"""Files of pictures that stay in memory until their thumbnails are drawn; the others are read again."""
QUIET_SECONDS = 0.25
"""Without anything urgent, before a thumbnail is begun that nobody asks for."""


@dataclass(eq=False, slots=True)
class _Missing:
    """A thumbnail that is not there: its picture's file where that is held, and the drawing once it is begun."""

    picture: bytes | None = None
    drawing: asyncio.Task[None] | None = None


class Thumbnails:
    """The thumbnails of one file storage.

    Args:
        files: where pictures and thumbnails lie.
        draw: makes a thumbnail of a picture's file; raises UnsupportedMedia, TooLarge.
    """

    def __init__(self, files: ImageFileStorage, draw: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._files = files
        self._draw = draw
        self._missing: dict[str, _Missing] = {}
        self._held_bytes = 0
        self._room = asyncio.Semaphore(AT_ONCE)
        self._urgent = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._workers: list[asyncio.Task[None]] = []

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """While the block runs, begin no thumbnail that nobody asks for."""
        self._urgent += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._urgent -= 1
            if not self._urgent:
                self._quiet.set()

    def draw_later(self, name: str, picture: bytes) -> None:
        """Draw the thumbnail of the picture that was stored under this name, in place of the one there may be."""
        self.forget([name])
        held = picture if self._held_bytes + len(picture) <= HELD_BYTES else None
        self._missing[name] = _Missing(held)
        self._held_bytes += len(held or b"")
        self._workers = [worker for worker in self._workers if not worker.done()]
        if len(self._workers) < AT_ONCE:
            self._workers.append(asyncio.create_task(self._draw_missing()))

    async def get(self, name: str) -> FilePart:
        """The thumbnail's file; drawn now if it is missing.

        Raises:
            NotFound: there is no such picture. UnsupportedMedia, TooLarge: it cannot be drawn. Unavailable.
        """
        if name not in self._missing:
            try:
                return await self._files.read(name, thumbnail=True)
            except NotFound:
                self._missing.setdefault(name, _Missing())
        await asyncio.shield(self._begun(name))
        return await self._files.read(name, thumbnail=True)

    def forget(self, names: Iterable[str]) -> None:
        """These pictures are gone, or are being replaced."""
        for name in names:
            if missing := self._missing.pop(name, None):
                self._held_bytes -= len(missing.picture or b"")

    def close(self) -> None:
        """Draw nothing any more."""
        drawings = [missing.drawing for missing in self._missing.values()]
        for task in (*self._workers, *drawings):
            if task:
                task.cancel()

    def _begun(self, name: str) -> asyncio.Task[None]:
        """The drawing of a missing thumbnail, the same for all who want it."""
        missing = self._missing[name]
        if missing.drawing is None:
            missing.drawing = asyncio.create_task(self._draw_one(name, missing))
        return missing.drawing

    async def _draw_missing(self) -> None:
        while True:
            await self._quiet.wait()
            await asyncio.sleep(QUIET_SECONDS)
            while self._quiet.is_set():
                name = next((name for name, missing in self._missing.items() if missing.drawing is None), None)
                if name is None:
                    return
                with faults_are_logged(logger, "The thumbnail of %s could not be drawn", name), suppress(NotFound):
                    await self._begun(name)

    async def _draw_one(self, name: str, missing: _Missing) -> None:
        try:
            async with self._room:
                picture = missing.picture or (await self._files.read(name)).data
                thumbnail = await self._draw(picture)
                if self._missing.get(name) is missing:  # else the picture was deleted or replaced meanwhile
                    await self._files.save_thumbnail(name, thumbnail)
        finally:
            if self._missing.get(name) is missing:
                self.forget([name])
