"""Services that tell for nothing which models they have, so that a retired one is not found instead of sent and failed.

A list is believed for the address that gave it, and only if it names a model that is known here: another server may
stand behind the address. Without a list everything is there.
"""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from invokeai.app.services.image_providers.http_answer import AnswerLost, HttpCall, NotSent
from invokeai.app.services.image_providers.http_provider import HttpImageProvider
from invokeai.app.services.image_providers.image_model import ImageModel
from invokeai.app.services.image_providers.provider_errors import ProviderError

logger = logging.getLogger(__name__)

LIST_SECONDS = 5.0
MODELS_NAMED = 12
"""How many models an error names."""


class ListingProvider(HttpImageProvider):
    """A provider behind HTTP with a free list of its models."""

    list_path: ClassVar[str] = "/models"

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._told: tuple[str | None, tuple[str, ...]] = (None, ())
        """The base URL that was set when the list came, and the ids in it."""
        self._offered: tuple[tuple[str, ...] | None, Sequence[ImageModel]] = (None, ())
        """The list that was looked through, and the models offered by it."""

    @abstractmethod
    def named_in(self, answer: Any) -> tuple[str, ...]:
        """The ids in the JSON of a list, as `ImageModel.model_id` has them; empty where it is none."""

    def listed(self) -> tuple[str, ...]:
        """The ids that the address in force named; empty: it was not asked, or did not tell."""
        address, named = self._told
        return named if address == self._credentials().base_url else ()

    def has(self, model_id: str) -> bool:
        """False only where the service's own list leaves the model out, under its name and under dated ones of it."""
        named = self.listed()
        return _is_in(named, model_id) or not any(_is_in(named, model.model_id) for model in self.info.models)

    def new_model(self, model_id: str) -> ImageModel | None:
        """A model that the list names and this module does not know, where it is one that makes pictures."""
        return None

    def models(self) -> Sequence[ImageModel]:
        """Those that the service still has, and then what it has that is new."""
        named = self.listed()
        if self._offered[0] is not named:  # every request looks here, and a list has hundreds of names
            self._offered = (named, self._offer(named))
        return self._offered[1]

    def _offer(self, named: tuple[str, ...]) -> Sequence[ImageModel]:
        known = [model for model in self.info.models if self.has(model.model_id)]
        others = [name for name in named if known and not any(_is_in((name,), model.model_id) for model in known)]
        return [*known, *(model for model in map(self.new_model, others) if model is not None)]

    def default_model(self) -> str:
        """The usual one, or the first that is left."""
        usual = self.info.default_model
        return usual if self.has(usual) else self.models()[0].model_id

    async def refresh_models(self) -> None:
        """Ask for the list, once and not for long; one that does not come leaves the last one in force."""
        address = self._credentials().base_url
        try:
            async with asyncio.timeout(LIST_SECONDS):
                answer = await self.send(HttpCall("GET", self.list_path), read_seconds=LIST_SECONDS)
        except (NotSent, AnswerLost, ProviderError, TimeoutError) as error:
            logger.info("%s named no models: %s", self.info.display_name, error or "too slow")
            return
        named = self.named_in(answer.json()) if answer.status == 200 else ()
        if named:
            self._told = (address, named)
        logger.info("%s named %d models", self.info.display_name, len(named))

    def instead(self) -> str:
        """A sentence on a model that is gone, with those there are."""
        names = ", ".join(model.model_id for model in self.models()[:MODELS_NAMED])
        return f"{self.info.display_name} may have retired the model; use one of {names}."


def _is_in(named: Sequence[str], model_id: str) -> bool:
    return any(name == model_id or name.startswith(f"{model_id}-") for name in named)


def ids_in(answer: Any, members: str, name: str) -> tuple[str, ...]:
    """The texts named `name` in a list of objects that is the answer's member `members`."""
    items = answer.get(members) if isinstance(answer, dict) else None
    found = items if isinstance(items, list) else []
    return tuple(item[name] for item in found if isinstance(item, dict) and isinstance(item.get(name), str))
