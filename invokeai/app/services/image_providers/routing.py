"""Which provider and model a name means. Deterministic, asks nobody, and says what to do where there is no answer."""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from invokeai.app.services.image_providers.capabilities import GENERATION_MODES, ImageMode
from invokeai.app.services.image_providers.image_model import ImageModel, model_key
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.provider_errors import ProviderBadRequest, ProviderUnavailable
from invokeai.app.services.shared.errors import NotFound

logger = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 3600.0
"""Models are retired while a server runs."""
MODELS_NAMED = 12
"""How many models an error names."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes, and why when nobody asked for the model."""

    provider: ImageProvider
    model: ImageModel
    note: str | None = None

    @property
    def name(self) -> str:
        """The model as `provider/model`."""
        return f"{self.provider.info.provider_id}/{self.model.model_id}"


class ModelRoutes:
    """The providers, in order of priority, and what their models are called."""

    def __init__(self, providers: Sequence[ImageProvider], default_model: str | None = None) -> None:
        self._providers = {p.info.provider_id: p for p in providers}
        self._default_model = default_model
        self._asking: asyncio.Task[None] | None = None
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
            known = ", ".join(self._providers)
            raise NotFound(f"There is no image provider {provider_id!r}. The providers are {known}.")
        return provider

    def ask_for_models(self, every: float = ASK_AGAIN_SECONDS) -> None:
        """Have every usable provider look for the models that its service has, in the background, now and again."""

        async def keep_asking() -> None:
            while True:
                await asyncio.gather(*(p.refresh_models() for p in self._providers.values() if p.is_available()))
                await asyncio.sleep(every)

        self._asking = asyncio.create_task(keep_asking())

    def stop_asking(self) -> None:
        """No more questions about models."""
        if self._asking is not None:
            self._asking.cancel()

    def available(self) -> Iterator[tuple[ImageProvider, ImageModel]]:
        """Every listed model that could be used now."""
        for provider in self._providers.values():
            if provider.is_available():
                yield from ((provider, model) for model in provider.models())

    def find_model(self, provider: ImageProvider, model_id: str) -> ImageModel | None:
        """The provider's model of that id: as users changed it, as it is listed, or a custom one."""
        changed = self.model_overrides(provider.info.provider_id, model_id) if self.model_overrides else None
        if changed is not None:
            return changed
        listed = next((m for m in provider.models() if m.model_id == model_id), None)
        return listed or provider.custom_model(model_id)

    def route(self, model: str | None = None, mode: ImageMode = "txt2img") -> Route:
        """The provider and model for `model` (forms: see ImageRequest). Deterministic.

        Without a model `mode` decides: to generate, the default model; to work on a picture, the first model that can.

        Raises:
            NotFound: nobody has that model; the message lists those there are, the closest first.
            ProviderBadRequest: several providers have a model of that name.
            ProviderUnavailable: its provider cannot be used now, or none can; the message says what to set.
        """
        if mode in GENERATION_MODES:
            name = model or self._default_model
            route = self._named(name) if name else self._first_available()
        else:
            route = self._named(model) if model else self._first_able(mode)
        reason = route.provider.get_unavailability_reason()
        if reason:
            error = ProviderUnavailable(
                f"{reason} {route.provider.get_setup_instructions()}", provider_id=route.provider.info.provider_id
            )
            error.model_id = route.model.model_id
            raise error
        return route

    def route_of(self, model: str | None, provider_id: str | None = None, mode: ImageMode = "txt2img") -> Route:
        """The route, which must lead to `provider_id` where one is given.

        Raises:
            ProviderBadRequest: the model is another provider's; else as `route`.
        """
        route = self.route(model, mode)
        found = route.provider.info
        if provider_id is not None and found.provider_id != provider_id:
            raise ProviderBadRequest(
                f"{route.model.name} is a model of {found.display_name}, not of {provider_id}.",
                provider_id=found.provider_id,
            )
        return route

    def closest(self, name: str, provider: ImageProvider | None = None) -> list[str]:
        """Models that can be used now (of one provider, usable or not), as `provider/model`, most alike first."""
        pairs = ((provider, model) for model in provider.models()) if provider else self.available()
        names = [f"{owner.info.provider_id}/{model.model_id}" for owner, model in pairs]

        def unlikeness(known: str) -> float:
            parts = (known, known.partition("/")[2])
            return -max(difflib.SequenceMatcher(None, name.lower(), part.lower()).ratio() for part in parts)

        return sorted(names, key=unlikeness)

    def _named(self, name: str) -> Route:
        if name.startswith("external://"):
            name = name.removeprefix("external://")
        elif name.startswith("external:"):  # the hash of a model's record
            name = name.removeprefix("external:").replace(":", "/", 1)
        provider_id, _, model_id = name.partition("/")
        provider = self._providers.get(provider_id)
        if provider is not None:
            model = self.find_model(provider, model_id or provider.default_model())
            if model is not None:
                return Route(provider, model)
            raise NotFound(
                f"{provider.info.display_name} has no model {model_id!r}. {self._list(self.closest(name, provider))}"
            )
        found = [
            Route(p, m)
            for p in self._providers.values()
            for m in p.models()
            if name in (m.model_id, model_key(p.info.provider_id, m.model_id))
        ]
        if not found:
            raise NotFound(f"No provider of this server has a model {name!r}. {self._list(self.closest(name))}")
        if len(found) > 1:
            owners = ", ".join(route.name for route in found)
            raise ProviderBadRequest(f"Several providers have a model {name!r}; name one of {owners}.")
        return found[0]

    def _list(self, names: list[str]) -> str:
        if not names:
            return "No model can be used now: " + self._what_to_set()
        more = f" and {len(names) - MODELS_NAMED} more" if len(names) > MODELS_NAMED else ""
        return f"The models are {', '.join(names[:MODELS_NAMED])}{more}."

    def _first_available(self) -> Route:
        for provider in self._providers.values():
            model = self.find_model(provider, provider.default_model()) if provider.is_available() else None
            if model is not None:
                note = f"No model was named; {provider.info.display_name} made it with {model.name}."
                return Route(provider, model, note)
        raise ProviderUnavailable("No image provider is available on this server. " + self._what_to_set())

    def _first_able(self, mode: ImageMode) -> Route:
        for provider, model in self.available():
            if mode in model.capabilities.modes:
                note = f"No model was named; {provider.info.display_name} made it with {model.name}."
                return Route(provider, model, note)
        raise ProviderUnavailable(f"No model of this server can {mode.replace('_', ' ')} now. " + self._what_to_set())

    def _what_to_set(self) -> str:
        ways = [
            f"{provider.info.display_name}: {provider.get_setup_instructions()}"
            for provider in self._providers.values()
            if not provider.is_available()
        ]
        return "set up one of these. " + " ".join(ways) if ways else "this server was started without providers."
