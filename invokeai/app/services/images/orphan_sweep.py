"""Deletes files that no record names, from time to time: what a crash between file and record leaves behind."""

import asyncio
import logging

from invokeai.app.services.images.images import ImageService
from invokeai.app.services.shared.database.base import DatabaseError
from invokeai.app.services.shared.errors import ServiceError

logger = logging.getLogger(__name__)

FIRST_SECONDS = 300.0
"""After the start, so that it costs the start nothing."""
EVERY_SECONDS = 6 * 3600.0
OLDER_THAN_SECONDS = 3600.0
"""A younger file may still get its record."""


class OrphanSweep:
    """A task that sweeps while the studio runs."""

    def __init__(self, images: ImageService, first_seconds: float = FIRST_SECONDS) -> None:
        self._images = images
        self._first_seconds = first_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; call once, on the event loop."""
        self._task = asyncio.create_task(self._sweep_for_ever())

    async def stop(self) -> None:
        """End, in the middle of a sweep too."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _sweep_for_ever(self) -> None:
        await asyncio.sleep(self._first_seconds)
        while True:
            try:
                if gone := await self._images.sweep_orphans(OLDER_THAN_SECONDS):
                    logger.info("Deleted %d files that no record names", len(gone))
            except (ServiceError, DatabaseError):
                logger.warning("The sweep for files without a record failed; it comes again", exc_info=True)
            await asyncio.sleep(EVERY_SECONDS)
