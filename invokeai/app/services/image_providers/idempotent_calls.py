"""A request that a program repeats under the same Idempotency-Key is the same call: it is paid for once.

What was stored is answered again. What was not is run again under the same names of its calls, so that receipts decide,
on whichever server, whether to send, to wait for another run, or to follow up what has left. With or without a key a
call that has left outlives its request.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from weakref import WeakValueDictionary

from invokeai.app.services.image_providers.gallery_generation import NODE, GalleryCall, StoredGeneration
from invokeai.app.services.image_providers.generation import Cost, CostKind, ImageResult, total_cost
from invokeai.app.services.image_providers.paid_work import see_through
from invokeai.app.services.image_providers.receipts import ReceiptState
from invokeai.app.services.images.generated_names import generated_name
from invokeai.app.services.shared.database.base import Database, DatabaseError, Row, Statement
from invokeai.app.services.shared.errors import Conflict, InvalidInput, ServiceError
from invokeai.app.services.shared.patience import until_available
from invokeai.app.services.shared.timestamps import timestamp, timestamp_after

if TYPE_CHECKING:
    from invokeai.app.services.images.images import ImageService

Known: TypeAlias = tuple[StoredGeneration, list[str]]
"""What is known of a generation, still without its pictures, and their names."""
KEPT_SECONDS = 24 * 3600.0
MAX_KEY_CHARACTERS = 255

FORGET_OLD = "DELETE FROM idempotent_requests WHERE created_at <= ?"
REMEMBER = """INSERT INTO idempotent_requests (request_key, digest, call_id, created_at) VALUES (?, ?, ?, ?)
  ON CONFLICT DO NOTHING"""
FIND = "SELECT digest, call_id, answer FROM idempotent_requests WHERE request_key = ?"
RECEIPTS = """SELECT r.call_index, r.provider_id, r.model_id, r.state, r.images, r.cost_amount, r.cost_currency,
  r.cost_kind FROM idempotent_requests i JOIN generation_receipts r ON r.session_id = i.call_id
  WHERE i.request_key = ? AND r.state NOT IN ('prepared', 'failed') ORDER BY r.call_index"""
"""The calls of a request that have left."""
ANSWER = "UPDATE idempotent_requests SET answer = ? WHERE request_key = ? AND call_id = ?"
FORGET = """DELETE FROM idempotent_requests WHERE request_key = ? AND call_id = ? AND answer IS NULL
  AND NOT EXISTS (SELECT 1 FROM generation_receipts WHERE session_id = ?)"""
"""A request that was turned down before anything was written of a call may be put right under its key."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """`request_key` names user and key, `digest` what is asked for, `pictures` how many at least."""

    request_key: str
    digest: str
    pictures: int

    @classmethod
    def of(cls, user_id: str, key: str, asked: bytes, pictures: int) -> KeyedRequest:
        """That user's request. `asked` is the same when the same is asked for.

        Raises:
            InvalidInput: the key is none.
        """
        if not 0 < len(key) <= MAX_KEY_CHARACTERS or not (key.isascii() and key.isprintable()):
            raise InvalidInput(f"An Idempotency-Key has from 1 to {MAX_KEY_CHARACTERS} plain characters.")
        name = hashlib.sha256(f"{user_id}\n{key}".encode()).hexdigest()
        return cls(name, hashlib.sha256(asked).hexdigest(), pictures)


class IdempotentCalls:
    """The requests with keys of the last 24 hours, of every server that uses these records."""

    def __init__(self, database: Database, images: ImageService) -> None:
        self._database = database
        self._images = images
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Repeats on this server wait for the first one; on others for its calls."""

    async def once(
        self, request: KeyedRequest | None, make: Callable[[GalleryCall], Coroutine[Any, Any, StoredGeneration]]
    ) -> StoredGeneration:
        """What `make` stores for the call that it is given, or has stored when the same was asked for before.

        Two round trips more than `make`, and two instead of it for a repeat; none without a key.

        Raises:
            Conflict: the key came with another request, or its pictures were deleted.
            ServiceError: as `make`. The same request under the same key goes on where that ended.
        """
        return await see_through(make(GalleryCall()) if request is None else self._once(request, make))

    async def _once(
        self, request: KeyedRequest, make: Callable[[GalleryCall], Coroutine[Any, Any, StoredGeneration]]
    ) -> StoredGeneration:
        turn = self._turns.setdefault(request.request_key, asyncio.Lock())
        async with turn:
            call, known = await self._begin(request)
            if known is not None:
                return await self._again(*known)
            try:
                done = await make(call)
            except ServiceError:
                with suppress(DatabaseError):
                    await self._database.execute(FORGET, request.request_key, call.call_id, call.call_id)
                raise
            values = (done.facts(), request.request_key, call.call_id)
            await until_available(lambda: self._database.execute(ANSWER, *values))
            return done

    async def _begin(self, request: KeyedRequest) -> tuple[GalleryCall, Known | None]:
        """Which call it is, and what is known to be stored of it, if it is all there.

        Raises:
            Conflict: as `once`.
        """
        values = (request.request_key, request.digest, GalleryCall().call_id, timestamp())
        *_, found, receipts = await self._database.batch(
            [
                Statement(FORGET_OLD, (timestamp_after(-KEPT_SECONDS),)),
                Statement(REMEMBER, values),
                Statement(FIND, (request.request_key,)),
                Statement(RECEIPTS, (request.request_key,)),
            ]
        )
        (row,) = found.rows
        if row["digest"] != request.digest:
            raise Conflict("This Idempotency-Key came with another request before. Use a new key for a new request.")
        call_id, left = str(row["call_id"]), receipts.rows
        call = GalleryCall(call_id, "/".join((str(left[0]["provider_id"]), str(left[0]["model_id"]))) if left else None)
        if row["answer"] is not None:
            return call, StoredGeneration.told_by(str(row["answer"]))
        stored = _first_stored(left)
        if not stored:
            return call, None
        known = _stored_by_receipts(call_id, stored)
        if len(stored) == len(left) and len(known[1]) >= request.pictures:
            return call, known
        return replace(call, begun=await self._again(*known), calls_done=len(stored)), None

    async def _again(self, done: StoredGeneration, names: list[str]) -> StoredGeneration:
        done.images.extend(await self._images.get_dtos(names))
        if len(done.images) < len(names):
            raise Conflict(
                "Pictures of the request with this Idempotency-Key were deleted meanwhile. Use a new key for new ones."
            )
        return done


def _first_stored(receipts: Sequence[Row]) -> list[Row]:
    """Of the first calls of a request, those whose pictures are all stored."""
    pairs = takewhile(
        lambda pair: (pair[1]["call_index"], pair[1]["state"]) == (pair[0], ReceiptState.STORED), enumerate(receipts)
    )
    return [receipt for _, receipt in pairs]


def _stored_by_receipts(call_id: str, receipts: Sequence[Row]) -> Known:
    """What was stored after a crash, when nobody was there to be answered: the provider need not have it any more."""
    costs = [
        Cost(cast("str | None", row["cost_amount"]), str(row["cost_currency"]), CostKind(str(row["cost_kind"])))
        for row in receipts
    ]
    result = ImageResult(
        images=(), provider_id=str(receipts[-1]["provider_id"]), model_id=str(receipts[-1]["model_id"]), cost=costs[-1]
    )
    pictures = sum(int(row["images"] or 0) for row in receipts)
    names = [generated_name(call_id, NODE, number) for number in range(pictures)]
    return StoredGeneration([], result, total_cost(costs), 0.0), names
