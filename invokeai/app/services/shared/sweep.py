"""What nobody needs any more is taken away from time to time while the studio runs."""

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import ClassVar

from invokeai.app.services.shared.database.base import DatabaseError
from invokeai.app.services.shared.errors import ServiceError

logger = logging.getLogger(__name__)

FIRST_SECONDS = 300.0
"""After the start, so that it costs the start nothing."""
EVERY_SECONDS = 6 * 3600.0


class Sweep(ABC):
    """A task that sweeps until it is stopped."""

    swept: ClassVar[str]
    """What it deletes, in the plural."""

    def __init__(self, first_seconds: float = FIRST_SECONDS) -> None:
        self._first_seconds = first_seconds
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def sweep(self) -> int:
        """Delete what is there now; how many.

        Raises:
            ServiceError, DatabaseError: a store is away; what is left is deleted the next time.
        """

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
                if gone := await self.sweep():
                    logger.info("Deleted %d %s", gone, self.swept)
            except (ServiceError, DatabaseError):
                logger.warning("The sweep for %s failed; it comes again", self.swept, exc_info=True)
            await asyncio.sleep(EVERY_SECONDS)
