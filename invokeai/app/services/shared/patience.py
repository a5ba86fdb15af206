"""Waiting out a store that is away for a while, where giving up would lose what was paid for."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from invokeai.app.services.shared.database.base import DatabaseUnavailable
from invokeai.app.services.shared.errors import Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_SECONDS = 180.0
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 10.0


async def until_available(action: Callable[[], Awaitable[T]], seconds: float = PATIENCE_SECONDS) -> T:
    """The outcome of `action`, tried again while its store is away, for at most so many seconds.

    `action` must be safe to repeat.

    Raises:
        Unavailable, DatabaseUnavailable: still away at the end.
    """
    end = time.monotonic() + seconds
    wait = FIRST_WAIT_SECONDS
    while True:
        try:
            return await action()
        except (Unavailable, DatabaseUnavailable) as error:
            if time.monotonic() + wait > end:
                raise
            logger.warning("Trying again in %.1f s: %s", wait, error)
        await asyncio.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT_SECONDS)
