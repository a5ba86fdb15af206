"""Every provider behind one `generate`. A model that was asked for is never swapped, unless the request names others.

Nothing is sent before the request fits the model and, for a paid provider, before its receipt is written and the caps
have room for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace

from invokeai.app.services.image_providers.checks import check_request
from invokeai.app.services.image_providers.generation import Cost, ImageRequest, ImageResult
from invokeai.app.services.image_providers.metrics import ProviderMetrics
from invokeai.app.services.image_providers.paid_work import current_work, wait_for_paid_work
from invokeai.app.services.image_providers.picture_addresses import MAX_PIXELS, PIXELS_AT_ONCE
from invokeai.app.services.image_providers.picture_places import PLACES, Place, working_in
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.provider_errors import (
    PaidPictureLate,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderUnavailable,
    SentElsewhere,
)
from invokeai.app.services.image_providers.receipts import CallKey, Receipt, ReceiptStore
from invokeai.app.services.image_providers.routing import ModelRoutes, Route
from invokeai.app.services.image_providers.sending import ProviderLine
from invokeai.app.services.shared.errors import NotFound
from invokeai.app.services.shared.json_logs import logged_with

__all__ = ["ImageServiceManager", "Route"]

logger = logging.getLogger(__name__)

COME_HOME_SECONDS = 20.0
"""How long the end of the server waits for canceled calls that are billed all the same."""
ELSEWHERE_SECONDS = 900.0
"""How long a call waits for what another run, that has sent it, gets: longer than models take."""
COST_NOTHING = (ProviderUnavailable, ProviderRateLimited, ProviderQuotaExhausted, ProviderAuthError)
"""After these another model may be asked, where the request allows it: the provider certainly did no work."""


class ImageServiceManager(ModelRoutes):
    """Routes, checks, writes down and sends."""

    def __init__(
        self,
        providers: Sequence[ImageProvider],
        receipts: ReceiptStore,
        *,
        default_model: str | None = None,
        keys_of: Callable[[str], Sequence[str]] = lambda _: (),
        most_pixels: int = MAX_PIXELS,
    ) -> None:
        """`keys_of` answers a provider's keys, where it has several. `most_pixels` has a picture that can be stored."""
        super().__init__(providers, default_model)
        self._receipts = receipts
        self._most_pixels = most_pixels
        self._places = asyncio.Semaphore(PLACES)
        self._large_place = asyncio.Semaphore(1)
        self.late = asyncio.Event()
        """Set when a call ends whose picture is still to come."""
        self.lines = {p.info.provider_id: ProviderLine(p, keys_of) for p in providers}
        self.metrics: dict[str, ProviderMetrics] = {name: line.metrics for name, line in self.lines.items()}

    def split(self, request: ImageRequest) -> list[ImageRequest]:
        """The request as calls of as many images as its model makes, and memory holds, at once, seeds counting on."""
        most = self.usable_route(request).model.capabilities.max_images_per_request or request.num_images
        at_once = max(1, min(most, PIXELS_AT_ONCE // max(1, request.width * request.height)))
        if request.num_images <= at_once:
            return [request]
        return [
            replace(
                request,
                num_images=min(at_once, request.num_images - first),
                seed=None if request.seed is None else request.seed + first,
                call_id=f"{request.call_id}:{first}" if request.call_id and first else request.call_id,
            )
            for first in range(0, request.num_images, at_once)
        ]

    def estimate(self, request: ImageRequest) -> list[Cost | None]:
        """What each call of the request would cost, checked as if it were sent; nothing is sent.

        Raises:
            NotFound, ProviderError: as `generate` before it sends.
        """
        route = self.usable_route(request)
        calls = [route.provider.completed(call) for call in self.split(request)]
        for call in calls:
            check_request(route.provider.info, route.model, call, self._most_pixels)
        return [self._estimate(route, call) for call in calls]

    def place(self) -> Place:
        """To be entered for as long as the pictures of a call are held; `generate` waits for it."""
        return Place(self._places, self._receipts.open_file, self._large_place)

    async def generate(
        self, request: ImageRequest, key: CallKey | None = None, place: Place | None = None
    ) -> ImageResult:
        """Make the pictures. `key` names the call for its receipt; a paid provider is not used without one.

        Large answers that are kept wait for `place` (None: for nothing) before their pictures are read.
        Round trips: none for a free provider; for a paid one 1 to prepare, 2 to 3 along the way; 1 more with fallbacks.

        Raises:
            NotFound: nobody has that model.
            SpendCapReached: the caps have no room for it.
            ProviderError: how it ended otherwise; only `OutcomeUnknown` may have cost money, and `SentElsewhere`, whose
                picture another run stores.
        """
        with working_in(place):
            until = time.monotonic() + ELSEWHERE_SECONDS
            while True:
                try:
                    return await self._one_or_another(request, key)
                except SentElsewhere:  # what it gets is taken up as after a crash, and only what failed is sent here
                    if key is None or not await self._others_ended(key, until):
                        raise

    async def _others_ended(self, key: CallKey, until: float) -> bool:
        left = until - time.monotonic()
        return await self._receipts.open_calls.others_ended(key.session_id, key.node_id, key.index, left)

    async def _one_or_another(self, request: ImageRequest, key: CallKey | None) -> ImageResult:
        if not request.fallback:
            return await self._generate(self.route(request.model, request.mode), request, key)
        names = [request.model, *request.fallback]
        # a call has a receipt for each model it may use: one that has left is followed up, whatever else is possible
        keys = [
            key and replace(key, node_id=f"{key.node_id}>{name}" if n else key.node_id) for n, name in enumerate(names)
        ]
        left = await self._receipts.under_way([k.receipt_id for k in keys if k]) if key else set()
        choices = list(zip(names, keys, strict=True))
        begun = [choice for choice in choices if choice[1] and choice[1].receipt_id in left]
        return await self._first_that_works(request, begun or choices)

    def usable_route(self, request: ImageRequest, provider_id: str | None = None) -> Route:
        """The route of the model asked for, or of the first fallback where that one's provider cannot be used.

        Raises:
            NotFound, ProviderError: as `route_of` for the model asked for.
        """
        try:
            return self.route_of(request.model, provider_id, request.mode)
        except ProviderUnavailable:
            for name in request.fallback:
                with suppress(ProviderError, NotFound):
                    return self.route(name)
            raise

    async def follow_up(self, receipt: Receipt) -> ImageResult:
        """The result of a call that has left and that nobody waits for any more.

        Raises:
            NotFound: the provider is not there any more. ProviderError: how it ended, or that it cannot be told now.
        """
        if receipt.provider_id not in self.lines:
            raise NotFound(f"There is no provider {receipt.provider_id!r}.")
        with logged_with(receipt_id=receipt.receipt_id):
            result = await self.lines[receipt.provider_id].follow_up(receipt)
        return replace(result, receipt_id=receipt.receipt_id)

    async def stored(self, result: ImageResult) -> None:
        """Tell the receipt that the pictures of a call are in the gallery. One round trip if paid, else none."""
        if self.get_provider(result.provider_id).info.is_paid:
            assert result.receipt_id, "a paid result has a receipt"
            await self._receipts.close(result.receipt_id, result.cost, len(result.images))
            current_work().on_the_way = False

    async def aclose(self) -> None:
        """Let paid calls come home, then close every provider."""
        await wait_for_paid_work(COME_HOME_SECONDS)
        self.stop_asking()
        await asyncio.gather(*(provider.aclose() for provider in self.providers()))

    async def _first_that_works(
        self, request: ImageRequest, choices: Sequence[tuple[str | None, CallKey | None]]
    ) -> ImageResult:
        first: ProviderError | None = None
        for name, key in choices:
            current_work().check()
            try:
                result = await self._generate(self.route(name, request.mode), request, key)
            except COST_NOTHING as error:
                first = first or error
                logger.info("%s failed at no cost: %s", name, error)
            except (ProviderBadRequest, NotFound) as error:
                if first is None:  # the model that was asked for cannot do it: that is for the user to hear
                    raise
                logger.info("%s is no replacement: %s", name, error)
            else:
                if first is None and name == request.model:
                    return result
                asked = _name_of(self, request.model)
                note = f"{asked} failed at no cost; {result.provider_id}/{result.model_id} was used as allowed."
                return replace(result, asked=asked, note=note)
        assert first is not None, "a loop without a result has an error"
        raise first

    async def _generate(self, route: Route, request: ImageRequest, key: CallKey | None) -> ImageResult:
        if route.note:
            logger.info(route.note)
        info, request = route.provider.info, route.provider.completed(request)
        try:
            check_request(info, route.model, request, self._most_pixels)
            receipt = await self._receipt(route, request, key)
            with logged_with(receipt_id=receipt.receipt_id) if info.is_paid else nullcontext():
                result = await self.lines[info.provider_id].call(route.model, request, receipt)
        except ProviderError as error:
            error.provider_id = error.provider_id or info.provider_id
            error.model_id = error.model_id or route.model.model_id
            if isinstance(error, PaidPictureLate):
                self.late.set()
            raise
        return replace(result, note=result.note or route.note, receipt_id=receipt.receipt_id)

    async def _receipt(self, route: Route, request: ImageRequest, key: CallKey | None) -> Receipt:
        info = route.provider.info
        if not info.is_paid:
            return Receipt(key.receipt_id if key else "", info.provider_id, route.model.model_id)
        if key is None:
            raise ValueError("a paid call needs a key")
        estimate = self._estimate(route, request)
        return await self._receipts.open(key, info.provider_id, route.model.model_id, request, estimate)

    @staticmethod
    def _estimate(route: Route, request: ImageRequest) -> Cost | None:
        return route.provider.estimate(request, route.model)


def _name_of(routes: ModelRoutes, model: str | None) -> str:
    try:
        return routes.route(model).name
    except (ProviderError, NotFound):
        return model or "the default model"
