"""Calls that this server means to send, or waits for: while it lives, their rows move every few seconds.

So a call whose row stands still for `GONE_SECONDS` has no server any more. Nothing is paid by that belief alone: who
sends a call, and who may not any more, is decided by conditions in its row.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context

import orjson

from invokeai.app.services.image_providers.receipt_sql import BEAT, ON_ITS_WAY
from invokeai.app.services.shared.database.base import Database, DatabaseError
from invokeai.app.services.shared.timestamps import timestamp, timestamp_after

logger = logging.getLogger(__name__)

BEAT_SECONDS = 20.0
GONE_SECONDS = 3 * BEAT_SECONDS
LOOK_SECONDS = 2.0
LONGEST_LOOK_SECONDS = 20.0


class OpenCalls:
    """One server's calls. One round trip every `BEAT_SECONDS`, while there are any."""

    def __init__(self, database: Database, *, alone: bool = True) -> None:
        """`alone`: no other server uses these records."""
        self.others = not alone
        self.look_seconds = LOOK_SECONDS
        self._database = database
        self._held: list[str] = []
        self._beating: asyncio.Task[None] | None = None

    @contextmanager
    def held(self, receipt_id: str) -> Iterator[None]:
        """The row of that receipt moves for as long as this is entered."""
        self._held.append(receipt_id)
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat(), context=Context())
        try:
            yield
        finally:
            self._held.remove(receipt_id)
            if not self._held and self._beating:
                self._beating.cancel()
                self._beating = None

    def may_be_held(self, receipt_id: str, moved_at: str) -> bool:
        """Whether an earlier run on this server holds a call whose row moved then, or another server may hold it."""
        return receipt_id in self._held or (self.others and moved_at > timestamp_after(-GONE_SECONDS))

    async def others_ended(self, session_id: str, node_id: str, index: int, seconds: float) -> bool:
        """Wait until no server has this call on its way, with whichever model; False when it takes longer.

        One round trip after `look_seconds`, and further ones after ever longer pauses.
        """
        pause = self.look_seconds
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, LONGEST_LOOK_SECONDS)
                    since = timestamp_after(-GONE_SECONDS)
                    if not await self._database.fetch(ON_ITS_WAY, session_id, index, node_id, since):
                        return True
        except TimeoutError:
            return False

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._database.execute(BEAT, timestamp(), orjson.dumps(self._held).decode())
            except DatabaseError:
                logger.warning("The database was not told which paid calls are under way", exc_info=True)
