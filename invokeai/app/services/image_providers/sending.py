"""The way to one provider: its lane, breaker and keys, and how a call is repeated, followed up or given up.

A call is repeated only where it certainly cost nothing: the provider asked to wait, or did not accept the key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from invokeai.app.services.image_providers.circuit_breaker import CircuitBreaker
from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
from invokeai.app.services.image_providers.image_model import ImageModel
from invokeai.app.services.image_providers.key_ring import REFUSED_SECONDS, SPENT_SECONDS, KeyRing, key_mark
from invokeai.app.services.image_providers.metrics import ProviderMetrics
from invokeai.app.services.image_providers.paid_work import current_work
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderAddressRefused,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
    SentElsewhere,
)
from invokeai.app.services.image_providers.receipts import Receipt, ReceiptState
from invokeai.app.services.shared.database.base import DatabaseError
from invokeai.app.services.shared.errors import ServiceError

logger = logging.getLogger(__name__)

RATE_LIMIT_TRIES = 3
LONGEST_WAIT = 60.0
MAYBE_BILLED = "The request reached {name}, but no answer came back; it may have been billed."
NEVER_ACCEPTED = (
    "{name} does not accept the key that had sent this call, and never did as far as receipts tell, so it cannot be "
    "asked what became of it; it may have been billed. Check the key."
)


class ProviderLine:
    """One provider, and what is known of how it fares."""

    def __init__(self, provider: ImageProvider, keys_of: Callable[[str], Sequence[str]]) -> None:
        self.provider = provider
        self.metrics = ProviderMetrics()
        self.breaker = CircuitBreaker()
        self.keys = KeyRing(provider.info.provider_id, keys_of)
        self._lane = asyncio.Semaphore(provider.info.max_concurrency)

    @property
    def _name(self) -> str:
        return self.provider.info.display_name

    def check_open(self) -> None:
        """Return when a request may pass now.

        Raises:
            ProviderUnavailable: the provider failed again and again and is left alone for a while.
        """
        wait = self.breaker.seconds_to_wait()
        if wait > 0:
            raise ProviderUnavailable(
                f"{self._name} failed several times in a row ({self.metrics.last_failure or 'no reason given'}) and is "
                f"left alone for {wait:.0f} more seconds. Nothing was sent; use another model or try again then.",
                retry_after=wait,
                provider_id=self.provider.info.provider_id,
            )

    async def call(self, model: ImageModel, request: ImageRequest, receipt: Receipt) -> ImageResult:
        """Send a new call, or follow up one that has left.

        Raises:
            ProviderError: how it ended.
        """
        try:
            if receipt.state is ReceiptState.PREPARED:
                with receipt.held():
                    result = await self._in_lane(model, request, receipt)
            else:
                result = await self._in_lane(model, request, receipt)
        except asyncio.CancelledError:
            if receipt.state is ReceiptState.PREPARED:  # so that the caps hold nothing for it
                with suppress(DatabaseError):
                    await receipt.ended(ReceiptState.FAILED, "It was canceled before anything was sent.")
            raise
        self.metrics.images += len(result.images)
        return result

    async def _in_lane(self, model: ImageModel, request: ImageRequest, receipt: Receipt) -> ImageResult:
        with self.metrics.wait():
            await self._lane.acquire()
        try:
            with self.metrics.call():
                return await self._outcome(model, request, receipt)
        finally:
            self._lane.release()

    async def _outcome(self, model: ImageModel, request: ImageRequest, receipt: Receipt) -> ImageResult:
        if receipt.state in (ReceiptState.PREPARED, ReceiptState.FAILED):
            return await self._through_breaker(model, request, receipt)
        return await self.follow_up(receipt)

    async def follow_up(self, receipt: Receipt) -> ImageResult:
        """The result of a call that has left, however long ago.

        Raises:
            SentElsewhere: another run may still wait for its answer, and nobody else can tell.
            ProviderError: how it ended otherwise.
        """
        if receipt.state is ReceiptState.REFUSED:
            said = receipt.error or f"{self._name} refused this request before."
            raise ProviderRefused.again(said, receipt.provider_id)
        elsewhere = receipt.is_elsewhere  # now, as asking may take long
        await receipt.find_answer()
        try:
            result = await self._resume(receipt)
        except (PaidPictureLate, ProviderAddressRefused):
            raise
        except ProviderError as error:
            if elsewhere and not isinstance(error, ProviderRefused):
                raise SentElsewhere(receipt.provider_id) from None
            if isinstance(error, (ProviderRefused, ProviderUnavailable, ProviderBadRequest, OutcomeUnknown)):
                await _write_end(receipt, error)
            raise
        if result is None:
            if elsewhere:
                raise SentElsewhere(receipt.provider_id)
            message = MAYBE_BILLED.format(name=self._name)
            if receipt.state is not ReceiptState.UNKNOWN:
                await receipt.ended(ReceiptState.UNKNOWN, message)
            raise OutcomeUnknown(message, provider_id=receipt.provider_id)
        return result

    async def _resume(self, receipt: Receipt) -> ImageResult | None:
        """Ask with the key that had sent the call, whose word counts, and with the others where that one has none.

        Raises:
            PaidPictureLate: who could tell was not heard. ProviderError: how it ended.
        """
        sender_refused = False
        unheard: ProviderError | None = None
        strangers: ProviderError | None = None
        for key in self.keys.asked_about(receipt.sent_with):
            own = key_mark(key) == receipt.sent_with
            try:
                with self.keys.use_key(key):
                    result = await self.provider.resume(receipt)
            except (PaidPictureLate, ProviderRefused, ProviderAddressRefused):
                raise
            except (ProviderAuthError, ProviderQuotaExhausted, ProviderRateLimited) as refusal:
                unheard = unheard or refusal
                sender_refused = sender_refused or (own and isinstance(refusal, ProviderAuthError))
            except (ProviderUnavailable, ProviderBadRequest, OutcomeUnknown) as end:
                if own:
                    raise
                strangers = strangers or end  # jobs of another account are not known to them
            else:
                if own or result is not None:
                    return result
        if sender_refused and not self.provider.has_taken(receipt) and not await receipt.sender_was_accepted():
            raise OutcomeUnknown(NEVER_ACCEPTED.format(name=self._name), provider_id=receipt.provider_id)
        if unheard:
            raise self._late(unheard)
        if strangers:
            raise strangers
        return None

    def _late(self, unheard: ProviderError) -> PaidPictureLate:
        why = {ProviderAuthError: "does not accept the key (check it)", ProviderQuotaExhausted: "asks for credit first"}
        said = (
            f"{self._name} may have been paid, but {why.get(type(unheard), 'asks to wait')} before it tells what became"
        )
        message = f"{said} of this call; it is asked again, and what it has made comes by itself."
        return PaidPictureLate(message, provider_id=self.provider.info.provider_id)

    async def _through_breaker(self, model: ImageModel, request: ImageRequest, receipt: Receipt) -> ImageResult:
        try:
            self.check_open()
        except ProviderUnavailable as error:
            await receipt.ended(ReceiptState.FAILED, str(error))
            raise
        ticket, failed = self.breaker.enter(), None
        try:
            result = await self._send(model, request, receipt)
            failed = False
        except (ProviderUnavailable, OutcomeUnknown):
            failed = None if current_work().unwanted.is_set() else True  # a job that was taken back has not failed
            raise
        finally:
            self.breaker.leave(ticket, failed=failed)
        return result

    async def _send(self, model: ImageModel, request: ImageRequest, receipt: Receipt) -> ImageResult:
        try:
            await self._wait_for_a_key()
            waits = 0
            while True:
                with self.keys.use() as key:
                    try:
                        return await self.provider.generate(request, model, receipt)
                    except ProviderRateLimited as limit:
                        waits += 1
                        wait = limit.retry_after if limit.retry_after is not None else 2.0**waits
                        other_is_free = self.keys.rest(key, wait, cooling=True)
                        if waits >= RATE_LIMIT_TRIES or (wait > LONGEST_WAIT and not other_is_free):
                            raise
                    except (ProviderAuthError, ProviderQuotaExhausted) as error:
                        aside = REFUSED_SECONDS if isinstance(error, ProviderAuthError) else SPENT_SECONDS
                        # the only key is asked anew every time: the user may have paid or changed it meanwhile
                        if len(self.keys.in_force()) == 1 or not self.keys.rest(key, aside):
                            raise
                        logger.warning("A key of %s is set aside: %s", self._name, type(error).__name__)
                        wait, other_is_free = 0.0, True
                await receipt.not_taken()
                current_work().check()
                if not other_is_free:
                    logger.info("%s asks to wait %.1f s", self._name, wait)
                    await asyncio.sleep(wait)
        except SentElsewhere:
            raise
        except ProviderError as error:
            await _write_end(receipt, error)
            raise
        except (DatabaseError, ServiceError):  # what this server keeps things in is away: the call is followed up
            raise
        except Exception as error:  # a provider's bug: the receipt still has to say whether the request had left
            sent = receipt.state is not ReceiptState.PREPARED
            with suppress(OSError, DatabaseError):
                said = f"{type(error).__name__}: {error}"  # its repr may hold what was sent, key and all
                await receipt.ended(ReceiptState.UNKNOWN if sent else ReceiptState.FAILED, said)
            raise

    async def _wait_for_a_key(self) -> None:
        """Requests that come while the provider asks to wait do wait, instead of being turned away once more."""
        wait = self.keys.seconds_to_wait()
        if wait > LONGEST_WAIT:
            raise ProviderRateLimited(
                f"{self._name} asked this server to wait, so nothing was sent.",
                retry_after=wait,
                provider_id=self.provider.info.provider_id,
            )
        if wait > 0:
            await asyncio.sleep(wait)


async def _write_end(receipt: Receipt, error: ProviderError) -> None:
    await receipt.ended(_end_state(receipt, error), str(error))
    if isinstance(error, ProviderRefused) and error.cost is not None and error.cost.amount is not None:
        await receipt.billed(error.cost)


def _end_state(receipt: Receipt, error: ProviderError) -> ReceiptState:
    if isinstance(error, ProviderRefused):
        return ReceiptState.REFUSED
    left = receipt.state is not ReceiptState.PREPARED
    if isinstance(error, PaidPictureLate) or (left and isinstance(error, ProviderAddressRefused)):
        return receipt.state  # it is asked about again
    return ReceiptState.UNKNOWN if error.may_be_billed else ReceiptState.FAILED
