"""Routing of picture requests. The model decides the provider; a model that was asked for is never swapped.

Nothing is sent before the request fits the model and, for a paid provider, before its receipt is written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from invokeai.app.services.image_providers.checks import check_request
from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
from invokeai.app.services.image_providers.image_model import ImageModel, model_key
from invokeai.app.services.image_providers.metrics import ProviderMetrics
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.receipts import CallKey, Receipt, ReceiptState, ReceiptStore
from invokeai.app.services.shared.errors import NotFound

logger = logging.getLogger(__name__)

RATE_LIMIT_TRIES = 3
LONGEST_WAIT = 60.0
MAYBE_BILLED = (
    "The request reached {name}, but no answer came back; it may have been billed. Run it again to pay again."
)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes, and why when nobody asked for the model."""

    provider: ImageProvider
    model: ImageModel
    note: str | None = None


class ImageServiceManager:
    """Every provider behind one `generate`."""

    def __init__(
        self, providers: Sequence[ImageProvider], receipts: ReceiptStore, *, default_model: str | None = None
    ) -> None:
        self._providers = {p.info.provider_id: p for p in providers}
        self._receipts = receipts
        self._default_model = default_model
        self._lanes: dict[str, asyncio.Semaphore] = {}
        self.metrics = {provider_id: ProviderMetrics() for provider_id in self._providers}
        self.model_overrides: Callable[[str, str], ImageModel | None] | None = None
        """Models that users added or changed; set by the model records."""

    def providers(self) -> list[ImageProvider]:
        """Every provider, in order of priority, available or not."""
        return list(self._providers.values())

    def get_provider(self, provider_id: str) -> ImageProvider:
        """The provider of that id.

        Raises:
            NotFound: no such provider.
        """
        provider = self._providers.get(provider_id)
        if provider is None:
            raise NotFound(f"There is no image provider {provider_id!r}.")
        return provider

    def available(self) -> Iterator[tuple[ImageProvider, ImageModel]]:
        """Every listed model that could be used now."""
        for provider in self._providers.values():
            if provider.is_available():
                yield from ((provider, model) for model in provider.info.models)

    def find_model(self, provider: ImageProvider, model_id: str) -> ImageModel | None:
        """The provider's model of that id: as users changed it, as it is listed, or a custom one."""
        changed = self.model_overrides(provider.info.provider_id, model_id) if self.model_overrides else None
        if changed is not None:
            return changed
        listed = next((m for m in provider.info.models if m.model_id == model_id), None)
        return listed or provider.custom_model(model_id)

    def route(self, model: str | None = None) -> Route:
        """The provider and model for `model` (forms: see ImageRequest). Deterministic.

        Raises:
            NotFound: nobody has that model.
            ProviderBadRequest: several providers have a model of that name.
            ProviderUnavailable: its provider cannot be used now, or none can.
        """
        name = model or self._default_model
        route = self._named(name) if name else self._first_available()
        reason = route.provider.get_unavailability_reason()
        if reason:
            raise ProviderUnavailable(
                f"{reason} {route.provider.get_setup_instructions()}", provider_id=route.provider.info.provider_id
            )
        return route

    def route_of(self, model: str | None, provider_id: str | None = None) -> Route:
        """The route, which must lead to `provider_id` where one is given.

        Raises:
            ProviderBadRequest: the model is another provider's; else as `route`.
        """
        route = self.route(model)
        found = route.provider.info
        if provider_id is not None and found.provider_id != provider_id:
            raise ProviderBadRequest(
                f"{route.model.name} is a model of {found.display_name}, not of {provider_id}.",
                provider_id=found.provider_id,
            )
        return route

    def split(self, request: ImageRequest) -> list[ImageRequest]:
        """The request as calls of as many images as its model makes at once, seeds counting on."""
        at_once = self.route(request.model).model.capabilities.max_images_per_request or request.num_images
        return [
            replace(
                request,
                num_images=min(at_once, request.num_images - first),
                seed=None if request.seed is None else request.seed + first,
                call_id=f"{request.call_id}:{first}" if request.call_id and first else request.call_id,
            )
            for first in range(0, max(1, request.num_images), at_once)
        ]

    async def generate(self, request: ImageRequest, key: CallKey | None = None) -> ImageResult:
        """Make the pictures. `key` names the call for its receipt; a paid provider is not used without one.

        Round trips: none for a free provider; for a paid one 1 to prepare, 2 to 3 along the way.

        Raises:
            NotFound: nobody has that model.
            ProviderError: how it ended otherwise; `OutcomeUnknown` is the only one that may have cost money.
        """
        route = self.route(request.model)
        if route.note:
            logger.info(route.note)
        info = route.provider.info
        check_request(info, route.model, request)
        receipt = await self._receipt(route, request, key)
        metrics = self.metrics[info.provider_id]
        lane = self._lanes.setdefault(info.provider_id, asyncio.Semaphore(info.max_concurrency))
        with metrics.wait():
            await lane.acquire()
        try:
            with metrics.call():
                result = await self._outcome(route, request, receipt)
        finally:
            lane.release()
        metrics.images += len(result.images)
        return replace(result, note=result.note or route.note)

    async def stored(self, result: ImageResult, key: CallKey) -> None:
        """Tell the receipt that the pictures of a call are in the gallery. One round trip if paid, else none."""
        if self.get_provider(result.provider_id).info.is_paid:
            await self._receipts.close(key.receipt_id, result.cost)

    async def aclose(self) -> None:
        """Close every provider."""
        for provider in self._providers.values():
            await provider.aclose()

    def _named(self, name: str) -> Route:
        if name.startswith("external://"):
            name = name.removeprefix("external://")
        elif name.startswith("external:"):  # the hash of a model's record
            name = name.removeprefix("external:").replace(":", "/", 1)
        provider_id, _, model_id = name.partition("/")
        provider = self._providers.get(provider_id)
        if provider is not None:
            model = self.find_model(provider, model_id or provider.info.default_model)
            if model is not None:
                return Route(provider, model)
            raise NotFound(f"{provider.info.display_name} has no model {model_id!r}.")
        found = [
            Route(p, m)
            for p in self._providers.values()
            for m in p.info.models
            if name in (m.model_id, model_key(p.info.provider_id, m.model_id))
        ]
        if not found:
            raise NotFound(f"No provider of this server has a model {name!r}.")
        if len(found) > 1:
            owners = ", ".join(f"{r.provider.info.provider_id}/{r.model.model_id}" for r in found)
            raise ProviderBadRequest(f"Several providers have a model {name!r}; name one of {owners}.")
        return found[0]

    def _first_available(self) -> Route:
        for provider in self._providers.values():
            model = self.find_model(provider, provider.info.default_model) if provider.is_available() else None
            if model is not None:
                note = f"No model was named; {provider.info.display_name} made it with {model.name}."
                return Route(provider, model, note)
        raise ProviderUnavailable("No image provider is available on this server.")

    async def _receipt(self, route: Route, request: ImageRequest, key: CallKey | None) -> Receipt:
        info = route.provider.info
        if not info.is_paid:
            return Receipt(key.receipt_id if key else "", info.provider_id, route.model.model_id)
        if key is None:
            raise ValueError("a paid call needs a key")
        return await self._receipts.open(key, info.provider_id, route.model.model_id, request)

    async def _outcome(self, route: Route, request: ImageRequest, receipt: Receipt) -> ImageResult:
        if receipt.state in (ReceiptState.PREPARED, ReceiptState.FAILED):
            return await self._send(route, request, receipt)
        if receipt.state is ReceiptState.REFUSED:
            raise ProviderRefused("The provider refused this request before.", provider_id=receipt.provider_id)
        result = await route.provider.resume(receipt)
        if result is None:
            message = MAYBE_BILLED.format(name=route.provider.info.display_name)
            if receipt.state is not ReceiptState.UNKNOWN:
                await receipt.ended(ReceiptState.UNKNOWN, message)
            raise OutcomeUnknown(message, provider_id=receipt.provider_id)
        return result

    async def _send(self, route: Route, request: ImageRequest, receipt: Receipt) -> ImageResult:
        for tries_left in reversed(range(RATE_LIMIT_TRIES)):
            try:
                return await route.provider.generate(request, route.model, receipt)
            except ProviderRateLimited as limit:
                wait = limit.retry_after if limit.retry_after is not None else 2.0 ** (RATE_LIMIT_TRIES - tries_left)
                if not tries_left or wait > LONGEST_WAIT:
                    await receipt.ended(ReceiptState.FAILED, str(limit))
                    raise
                logger.info("%s asks to wait %.1f s", route.provider.info.display_name, wait)
                await asyncio.sleep(wait)
            except ProviderError as error:
                await receipt.ended(_end_state(error), str(error))
                raise
            except Exception as error:  # a provider's bug: the receipt still has to say whether the request had left
                sent = receipt.state is not ReceiptState.PREPARED
                with suppress(OSError):
                    await receipt.ended(ReceiptState.UNKNOWN if sent else ReceiptState.FAILED, repr(error))
                raise
        raise AssertionError("unreachable")


def _end_state(error: ProviderError) -> ReceiptState:
    if isinstance(error, ProviderRefused):
        return ReceiptState.REFUSED
    return ReceiptState.UNKNOWN if error.may_be_billed else ReceiptState.FAILED
