"""Paid calls that nobody waits for any more: pictures are fetched into the gallery, what was never sent is closed.

That is what a crash leaves of a canceled item, or of a program's request. A call that another server still works on is
left alone: it moved lately. Names are those that the first run would have given, so nothing is stored twice.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import chain, repeat
from typing import TYPE_CHECKING

import orjson

from invokeai.app.services.image_providers.open_calls import GONE_SECONDS
from invokeai.app.services.image_providers.pictures import result_metadata
from invokeai.app.services.image_providers.provider_errors import PaidPictureLate, ProviderError
from invokeai.app.services.image_providers.receipts import ReceiptState
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.images.generated_names import generated_name
from invokeai.app.services.shared.database.base import DatabaseError, DatabaseUnavailable
from invokeai.app.services.shared.errors import ServiceError, Unavailable
from invokeai.app.services.shared.faults import faults_are_logged
from invokeai.app.services.shared.timestamps import timestamp_after

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
    from invokeai.app.services.image_providers.receipts import LeftOverCall, ReceiptStore
    from invokeai.app.services.images.images import ImageService

logger = logging.getLogger(__name__)

FIRST_SECONDS = 5.0
"""After the start, so that it costs the start nothing."""
EVERY_SECONDS = 900.0
STILL_SECONDS = 1200.0
"""A call that did not move for so long has no server any more: longer than a call and its storing may take."""
LATE_SECONDS = 60.0
"""Between looks for pictures that are late; some providers keep them for ten minutes."""
SOON_SECONDS = 3600.0
"""How long a picture is looked for so often."""
GIVEN_UP_SECONDS = 24 * 3600.0
"""Providers keep results for an hour to a day."""
OPEN = (ReceiptState.SENT, ReceiptState.ANSWERED)
AWAY = "away"
FAULT = "The server could not make anything of it; its log says why. It may have been billed."
NOTE = "Fetched after the server had stopped while this picture was under way."


class PaidRecovery:
    """A task that looks for such calls while the studio runs."""

    def __init__(
        self, manager: ImageServiceManager, receipts: ReceiptStore, images: ImageService, *, alone: bool
    ) -> None:
        """`alone`: no other server uses these records, so at the start every open call is left over."""
        self._manager = manager
        self._receipts = receipts
        self._images = images
        self._alone = alone
        self._one_at_a_time = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; call once, on the event loop."""
        self._manager.late.set()  # an earlier run may have left late pictures
        started = timestamp_after(0) if self._alone else None
        looks = (self._look_for_ever(started), self._look_for_late_ones())
        self._tasks = [asyncio.create_task(look) for look in looks]

    async def stop(self) -> None:
        """End, in the middle of asking a provider too: it is asked again after the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def give_up(self, before: str) -> int:
        """Close calls that were never sent and did not move since `before`; how many. One round trip."""
        closed = await self._receipts.give_up(before)
        if closed:
            logger.info("%d calls were never sent, and their server is gone: nothing is held for them", closed)
        return closed

    async def recover(self, before: str, *, late_only: bool = False) -> int:
        """Store the pictures of calls that did not move since `before`; how many calls. One round trip and more.

        `late_only`: of those alone that ended late, and lately.
        """
        done = 0
        async with self._one_at_a_time:
            since = timestamp_after(-SOON_SECONDS) if late_only else None
            calls = await self._receipts.left_over(before, late_since=since)
            # what is there comes first, as its address may die, and a job that is not done is waited for
            for call in sorted(calls, key=lambda call: call.receipt.state is not ReceiptState.ANSWERED):
                why: str | None = FAULT
                with faults_are_logged(logger, "The paid picture of receipt %s cannot be had", call.receipt.receipt_id):
                    why = await self._hindrance(call)
                if why is None:
                    done += 1
                elif why == AWAY:
                    break
                elif call.receipt.state in OPEN and call.created_at < timestamp_after(-GIVEN_UP_SECONDS):
                    await call.receipt.ended(ReceiptState.UNKNOWN, why)
        return done

    async def _hindrance(self, call: LeftOverCall) -> str | None:
        """Store a call's pictures. None: they are stored, `AWAY`: it is not the call's fault, else why they are not."""
        try:
            await self._store(call)
        except PaidPictureLate as error:
            said = str(error)
            await call.receipt.ended(call.receipt.state, said)
            if _is_recent(call):
                self._manager.late.set()
        except ProviderError as error:
            said = str(error)
        except (Unavailable, DatabaseUnavailable) as error:
            logger.warning("Paid pictures could not be stored yet: %s", error)
            return AWAY
        except ServiceError as error:
            said = str(error)
        else:
            return None
        logger.warning("A paid picture cannot be had: %s", said)
        return said

    async def _store(self, call: LeftOverCall) -> None:
        call.receipt.is_awaited = False
        result = await self._manager.follow_up(call.receipt)
        node_id = call.node_id.partition(">")[0]
        for index, image in enumerate(result.images):
            metadata = {**call.request, **result_metadata(result, image), "external_note": NOTE}
            await self._images.create(
                image.image,
                image_origin=ResourceOrigin.INTERNAL,
                image_category=ImageCategory.GENERAL,
                image_name=generated_name(call.session_id, node_id, call.images_before + index),
                session_id=call.session_id,
                metadata=orjson.dumps(metadata).decode(),
                user_id=call.user_id,
            )
        await self._manager.stored(result)
        logger.info("Stored %d paid pictures that nobody waited for any more", len(result.images))

    async def _look_for_ever(self, started: str | None) -> None:
        """`started`: every call before that is left over."""
        for pause in chain((FIRST_SECONDS, GONE_SECONDS), repeat(EVERY_SECONDS)):
            await asyncio.sleep(pause)
            try:
                await self.give_up(started or timestamp_after(-GONE_SECONDS))
                await self.recover(started or timestamp_after(-STILL_SECONDS))
            except (ServiceError, DatabaseError):
                logger.warning("The look for paid pictures failed; it comes again", exc_info=True)
            else:
                started = None

    async def _look_for_late_ones(self) -> None:
        while True:
            await self._manager.late.wait()
            await asyncio.sleep(LATE_SECONDS)
            self._manager.late.clear()  # what is late once more sets it again
            try:
                await self.recover(timestamp_after(0), late_only=True)
            except (ServiceError, DatabaseError):
                logger.warning("The look for late pictures failed; it comes again", exc_info=True)
                self._manager.late.set()


def _is_recent(call: LeftOverCall) -> bool:
    return call.created_at > timestamp_after(-SOON_SECONDS)
