"""Receipts of paid calls: written before the request leaves, so that a crash never pays twice.

`prepared → sent → answered → stored`, or `refused`, `failed` (no work was done), `unknown` (may have been billed).
The raw answer is a file that is there before the row says `answered`.
"""

from __future__ import annotations

import logging
import uuid
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import IO, Any, cast

import orjson

from invokeai.app.services.image_providers.generation import Cost, ImageRequest
from invokeai.app.services.image_providers.key_ring import key_in_use, key_mark
from invokeai.app.services.image_providers.old_answers import answer_key
from invokeai.app.services.image_providers.open_calls import OpenCalls
from invokeai.app.services.image_providers.paid_work import current_work
from invokeai.app.services.image_providers.provider_errors import ProviderError, SentElsewhere
from invokeai.app.services.image_providers.receipt_sql import (
    ACCEPTED,
    ASK_ANEW,
    CLAIM,
    GIVE_UP,
    INSERT,
    LEFT_OVER,
    RELEASE,
    REOPEN,
    SELECT,
    UNDER_WAY,
    UPDATE,
    UPDATE_COST,
)
from invokeai.app.services.image_providers.request_facts import request_digest, request_facts
from invokeai.app.services.image_providers.spend_caps import CURRENCY, Hold, SpendCaps, micros, today
from invokeai.app.services.shared.database.base import Database, Row, Statement
from invokeai.app.services.shared.errors import NotFound
from invokeai.app.services.shared.objects.object_store import ObjectStore
from invokeai.app.services.shared.patience import until_available
from invokeai.app.services.shared.timestamps import timestamp

logger = logging.getLogger(__name__)

NEVER_SENT = "The server stopped before this call was sent; nothing was billed."
_NAMESPACE = uuid.UUID("5e0f7a52-7c0a-4f0e-9d4c-3c1d2b8f6a11")


class ReceiptState(StrEnum):
    """How far a paid call got."""

    PREPARED = "prepared"
    SENT = "sent"
    ANSWERED = "answered"
    STORED = "stored"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CallKey:
    """Which call it is: the same again when a session is run again after a crash. `user_id` pays."""

    session_id: str
    node_id: str
    index: int = 0
    user_id: str = "system"

    @property
    def receipt_id(self) -> str:
        """Our own id of the call, a UUID; providers that take one get it."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.session_id}\n{self.node_id}\n{self.index}"))


@dataclass(slots=True)
class Receipt:
    """A call's receipt in the provider's hands. Without a store (free providers) it writes nothing."""

    receipt_id: str
    provider_id: str
    model_id: str
    state: ReceiptState = ReceiptState.PREPARED
    provider_ref: str | None = None
    raw_answer: str | None = None
    error: str | None = None
    moved_at: str = ""
    user_id: str = "system"
    sent_by: str | None = None
    """The run that sent it, or none did yet."""
    sent_with: str | None = None
    """The mark of the key that the call left with; None: not known, or none was needed."""
    hold: Hold = field(default_factory=lambda: Hold(today()), repr=False)
    """What the caps hold for the call from when it was opened here."""
    store: ReceiptStore | None = field(default=None, repr=False)
    run: str | None = field(default_factory=lambda: uuid.uuid4().hex, repr=False)
    """Who sends it, among all that hold this very call; None: it had left when it was read, and is followed up."""
    is_awaited: bool = field(default=True, repr=False)
    """Whether somebody waits for the picture; else a job that is not done soon lets others have their turn."""

    @property
    def is_elsewhere(self) -> bool:
        """Whether another run may still wait for the answer: the call had left when it was read for this one."""
        if self.store is None or self.run is not None or self.state is not ReceiptState.SENT:
            return False
        return self.store.open_calls.may_be_held(self.receipt_id, self.moved_at)

    async def sent(self, provider_ref: str | None = None) -> None:
        """The bytes leave now, or (again) the provider told its own id of the job.

        Raises:
            SentElsewhere, SpendCapReached: nothing may leave here, as `ReceiptStore.claim` says.
        """
        if self.state is not ReceiptState.PREPARED or self.store is None:
            await self._move(ReceiptState.SENT, provider_ref=provider_ref)
            return
        self.state, self.provider_ref = ReceiptState.SENT, provider_ref or self.provider_ref
        current_work().on_the_way = True
        try:
            await self.store.claim(self, provider_ref)
        except ProviderError:
            self.state, current_work().on_the_way = ReceiptState.PREPARED, False
            raise
        self._tell()

    def held(self) -> AbstractContextManager[None]:
        """While this is entered, others see that this server still means to send the call, or waits for its answer."""
        return self.store.open_calls.held(self.receipt_id) if self.store else nullcontext()

    async def not_taken(self) -> None:
        """The provider certainly did no work: the call may be sent once more, and has not left until then."""
        if self.state in (ReceiptState.SENT, ReceiptState.ANSWERED):
            self.provider_ref = self.raw_answer = None
            await self._move(ReceiptState.PREPARED)
            self.run = uuid.uuid4().hex  # what was kept of this try is no answer to the next one

    async def answered(self, raw: bytes | IO[bytes], provider_ref: str | None = None) -> None:
        """The answer as it came, before anything parses it."""
        reference = await self.store.keep(self._answer_name, raw) if self.store else None
        self.raw_answer = reference
        await self._move(ReceiptState.ANSWERED, provider_ref=provider_ref, raw_answer=reference)

    async def ended(self, state: ReceiptState, error: str) -> None:
        """The call ended without a picture."""
        await self._move(state, error=error)

    async def billed(self, cost: Cost) -> None:
        """It ended without a picture, as it is written, and was billed all the same."""
        if self.store:
            await self.store.close(self.receipt_id, cost, 0, self.state)

    async def sender_was_accepted(self) -> bool:
        """Whether the key that the call left with was ever accepted, or nobody can tell."""
        if self.store is None or self.sent_with is None:
            return True
        return await self.store.has_accepted(self.provider_id, self.sent_with)

    async def find_answer(self) -> None:
        """Take up an answer that was kept when its row could not say so any more."""
        if self.store and not self.raw_answer and await self.store.is_kept(self._answer_name):
            self.raw_answer = self._answer_name

    @property
    def _answer_name(self) -> str:
        return f"{self.receipt_id}.{self.sent_by}" if self.sent_by else self.receipt_id

    async def read_answer(self) -> bytes | None:
        """The raw answer, if one was kept."""
        return await self.store.read(self.raw_answer) if self.store and self.raw_answer else None

    async def _move(
        self,
        state: ReceiptState,
        provider_ref: str | None = None,
        raw_answer: str | None = None,
        error: str | None = None,
    ) -> None:
        self.state = state
        self.provider_ref = provider_ref or self.provider_ref
        if self.store:
            current_work().on_the_way = state in (ReceiptState.SENT, ReceiptState.ANSWERED)
            store = self.store
            await until_available(lambda: store.update(self, provider_ref, raw_answer, error))
            if state is not ReceiptState.ANSWERED:
                self._tell()

    def _tell(self) -> None:
        _tell(self.receipt_id, f"{self.state} ({self.provider_id}/{self.model_id})")


@dataclass(frozen=True, slots=True)
class LeftOverCall:
    """A call that has left and whose item will not run again. `request` as `request_facts` has it."""

    receipt: Receipt
    session_id: str
    node_id: str
    user_id: str
    created_at: str
    images_before: int
    """Pictures that earlier calls of the node stored."""
    request: dict[str, Any]


class ReceiptStore:
    """Receipts in the database, raw answers as objects `receipts/<id>.<run that sent it>`."""

    def __init__(
        self, database: Database, objects: ObjectStore, caps: SpendCaps | None = None, *, alone: bool = True
    ) -> None:
        """`alone`: no other server uses these records."""
        self.open_calls = OpenCalls(database, alone=alone)
        self._database = database
        self._objects = objects
        self._caps = caps

    async def open(
        self, key: CallKey, provider_id: str, model_id: str, request: ImageRequest, estimate: Cost | None = None
    ) -> Receipt:
        """The call's receipt: a new one in state `prepared`, or the one an earlier run left. One round trip.

        The estimate is held against the caps by the same write.

        Raises:
            SpendCapReached: the caps have no room; nothing was written.
        """
        now, receipt_id = timestamp(), key.receipt_id
        hold = self._caps.hold(estimate, request.num_images) if self._caps else Hold(today())
        room = hold.parameters(receipt_id, key.user_id)
        values = (receipt_id, key.session_id, key.node_id, key.index, key.user_id, provider_id, model_id)
        asked = (request_digest(request), orjson.dumps(request_facts(request)).decode())
        _, _, _, found = await self._database.batch(
            [
                Statement(INSERT, (*values, *asked, now, now, hold.micros, hold.day, *room)),
                Statement(REOPEN, (hold.micros, hold.day, now, receipt_id, *room)),
                Statement(ASK_ANEW, (provider_id, model_id, *asked, receipt_id)),
                Statement(SELECT, (receipt_id,)),
            ]
        )
        receipt = self._receipt(found.rows[0]) if found.rows else None
        if receipt is None or receipt.state is ReceiptState.FAILED:
            assert self._caps is not None, "only caps keep a receipt from being written"
            raise await self._caps.refusal(hold, key.user_id)
        receipt.hold = hold
        return receipt

    async def under_way(self, receipt_ids: list[str]) -> set[str]:
        """Which of these calls have left, however they ended. One round trip."""
        rows = await self._database.fetch(UNDER_WAY, orjson.dumps(receipt_ids).decode())
        return {str(row["receipt_id"]) for row in rows}

    async def left_over(self, before: str, limit: int = 100, *, late_since: str | None = None) -> list[LeftOverCall]:
        """Calls that left, did not move since `before` (UTC, as the rows have it) and have no item. One round trip.

        `late_since`: of those alone that began after it and whose picture is late.
        """
        rows = await self._database.fetch(LEFT_OVER, before, late_since, limit)
        return [
            LeftOverCall(
                receipt=self._receipt(row),
                session_id=str(row["session_id"]),
                node_id=str(row["node_id"]),
                user_id=str(row["user_id"]),
                created_at=str(row["created_at"]),
                images_before=int(row["images_before"] or 0),
                request=orjson.loads(str(row["request"] or "{}")),
            )
            for row in rows
        ]

    async def get(self, receipt_id: str) -> Receipt | None:
        """The receipt of that id. One round trip."""
        row = await self._database.fetch_one(SELECT, receipt_id)
        return self._receipt(row) if row else None

    async def claim(self, receipt: Receipt, provider_ref: str | None) -> None:
        """Write that this run sends the call now. One round trip; one more where it had been given up meanwhile.

        Raises:
            SentElsewhere: another run has sent it.
            SpendCapReached: it had been given up, and the caps have no room for it any more.
        """
        receipt.sent_with = key_mark(key_in_use(receipt.provider_id))
        where = (receipt.sent_with, receipt.provider_id, receipt.model_id)
        values = (receipt.run, *where, provider_ref, timestamp(), receipt.receipt_id, receipt.run)
        claim = Statement(CLAIM, values)
        if (await until_available(lambda: self._database.execute(claim.sql, *claim.params))).rowcount:
            receipt.sent_by = receipt.run
            return
        hold, receipt_id = replace(receipt.hold, day=today()), receipt.receipt_id
        room = hold.parameters(receipt_id, receipt.user_id)
        steps = [
            Statement(REOPEN, (hold.micros, hold.day, timestamp(), receipt_id, *room)),
            claim,
            Statement(SELECT, (receipt_id,)),
            Statement(RELEASE, (timestamp(), receipt_id)),
        ]
        _, claimed, found, _ = await until_available(lambda: self._database.batch(steps))
        if claimed.rowcount:
            receipt.sent_by = receipt.run
            return
        if found.rows and found.rows[0]["state"] == ReceiptState.FAILED and self._caps:
            raise await self._caps.refusal(hold, receipt.user_id)
        self.open_calls.others = True
        raise SentElsewhere(receipt.provider_id)

    async def has_accepted(self, provider_id: str, mark: str) -> bool:
        """Whether the provider ever took a call with the key of that mark. One round trip."""
        return await self._database.fetch_one(ACCEPTED, provider_id, mark) is not None

    async def give_up(self, before: str) -> int:
        """Close calls that were never sent, did not move since `before` and have no item; how many. One round trip."""
        return (await self._database.execute(GIVE_UP, NEVER_SENT, timestamp(), before)).rowcount

    async def update(
        self, receipt: Receipt, provider_ref: str | None, raw_answer: str | None, error: str | None
    ) -> None:
        """Write how far the call got; nothing where another run has sent it. One round trip."""
        values = (receipt.state, provider_ref, raw_answer, error, timestamp(), receipt.receipt_id, receipt.run)
        await self._database.execute(UPDATE, *values)

    async def close(
        self, receipt_id: str, cost: Cost, images: int = 1, state: ReceiptState = ReceiptState.STORED
    ) -> None:
        """Write that the pictures are stored, and the cost, and wait for a database that is away. One round trip."""
        exact = micros(cost.amount)
        counted = exact if cost.currency == CURRENCY else None  # another currency leaves the hold as it is
        values = (state, cost.amount, cost.currency, cost.kind, exact, counted, images, timestamp())
        await until_available(lambda: self._database.execute(UPDATE_COST, *values, receipt_id))
        _tell(receipt_id, state)

    def open_file(self) -> IO[bytes]:
        """An unnamed file for an answer that will be kept. Raises OSError."""
        return self._objects.open_unnamed()

    async def is_kept(self, reference: str) -> bool:
        """Whether there is a raw answer of that reference."""
        return await self._objects.exists(answer_key(reference))

    async def keep(self, reference: str, raw: bytes | IO[bytes]) -> str:
        """Store a raw answer, all or nothing, and wait for a store that is away; the reference to read it by."""
        key, kind = answer_key(reference), "application/octet-stream"
        if isinstance(raw, bytes):
            await until_available(lambda: self._objects.put(key, raw, kind))
        else:
            await until_available(lambda: self._objects.put_open(key, raw, kind))
        return reference

    async def read(self, reference: str) -> bytes | None:
        """A raw answer, or None when it was cleaned away."""
        try:
            return (await self._objects.get(answer_key(reference))).data
        except NotFound:
            return None

    def _receipt(self, row: Row) -> Receipt:
        def text(name: str) -> str | None:
            return cast("str | None", row[name])

        receipt = Receipt(
            receipt_id=str(row["receipt_id"]),
            provider_id=str(row["provider_id"]),
            model_id=str(row["model_id"]),
            state=ReceiptState(str(row["state"])),
            provider_ref=text("provider_ref"),
            raw_answer=text("raw_answer"),
            error=text("error"),
            moved_at=str(row["updated_at"]),
            user_id=str(row["user_id"]),
            sent_by=text("sent_by"),
            sent_with=text("sent_with"),
            store=self,
        )
        if receipt.state not in (ReceiptState.PREPARED, ReceiptState.FAILED):
            receipt.run = None
        return receipt


def _tell(receipt_id: str, what: str) -> None:
    """A line in the log for whoever compares it with a provider's bill."""
    logger.info("Receipt %s: %s", receipt_id, what, extra={"facts": {"receipt_id": receipt_id}})
