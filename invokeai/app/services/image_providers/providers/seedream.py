"""BytePlus Ark: Seedream. A call makes one picture, or a series as a stream, and neither can be asked for later.

The mark that Ark adds by itself is always switched off or on by name. A picture may fail inside an answer of 200.
Source of the format: the volcengine-ark-runtime 5.0.54 package and BytePlus' pages of September 2026.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.generation import Cost, CostKind
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import data_uri, nothing_empty
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.openai_wire import OpenAiWireProvider, error_in
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.seedream_models import MODELS, SeedreamModel, model_like
from invokeai.app.services.image_providers.seedream_stream import series_reader

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
    from invokeai.app.services.image_providers.receipts import Receipt

NO_MONEY = ("AccountOverdueError", "QuotaExceeded", "SetLimitExceeded")
MOST_UNEQUAL = 16
MOST_IN_SERIES = 15
"""Pictures given and made, together."""
TO_KEEP_SECONDS = 10
"""Left of the time for a call when a series stops waiting for more, so that what came is kept."""


class SeedreamImageService(OpenAiWireProvider):
    """Ark's synchronous picture endpoint."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="seedream",
        display_name="BytePlus Seedream",
        description="Seedream: large pictures, edits, up to 14 pictures to take after.",
        models=MODELS,
        default_model="seedream-5-0-260128",
        priority=60,
        options=frozenset({"watermark", "optimize_prompt", "series"}),
    )
    default_base_url = "https://ark.ap-southeast.bytepluses.com/api/v3"

    def get_setup_instructions(self) -> str:
        """Where the key comes from and what has to be switched on there."""
        return (
            "Activate the models at https://console.byteplus.com/ark, create a key there and set ARK_API_KEY, or enter "
            "it in the model manager. Keys of mainland China need the base URL https://ark.cn-beijing.volces.com."
        )

    def base_url(self) -> str:
        """The region's address with the version at its end, whether it was given with it or not."""
        return super().base_url().partition("/api/v3")[0] + "/api/v3"

    def custom_model(self, model_id: str) -> ImageModel | None:
        """Other dates and regions of the models, and endpoints of one's own (`ep-…`)."""
        return model_like(model_id)

    def estimate(self, request: ImageRequest, model: ImageModel) -> Cost | None:
        """By picture, and by input picture where they cost something; a series as if it were made whole."""
        assert isinstance(model, SeedreamModel)
        return _cost(model, request.num_images * (_series(request) or 1), len(request.input_pictures))

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """As ever; with the option `series` (2 to 15 pictures at most) as a stream, each picture shown as it comes."""
        series = _series(request)
        if series is None:
            return await super().generate(request, model, receipt)
        call = await asyncio.to_thread(self.call_for, request, model, receipt)
        reader = series_reader(series, model.timeout_seconds - TO_KEEP_SECONDS, request.on_progress)
        answer = await self.pay(call, receipt, model.timeout_seconds, reader)
        return await self.keep_and_read(answer, receipt)

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """One picture, or as many as the model finds in the prompt, in the answer itself."""
        assert isinstance(model, SeedreamModel)
        size, series = _size(request, model), _series(request)
        pictures = [data_uri(picture) for picture in request.input_pictures]
        body: dict[str, Any] = {
            "model": model.model_id,
            "prompt": request.prompt,
            "image": pictures[0] if len(pictures) == 1 else pictures or None,
            "size": size,
            "response_format": "b64_json",
            "watermark": bool(request.options.get("watermark")),
            "optimize_prompt_options": {"mode": "standard"} if request.options.get("optimize_prompt") else None,
            "output_format": "png" if model.png else None,
            "sequential_image_generation": "auto" if series else "disabled" if model.series else None,
            "sequential_image_generation_options": {"max_images": series} if series else None,
            "stream": True if series else None,
        }
        return HttpCall("POST", "/images/generations", json=nothing_empty(body))

    def cost_of(self, answer: Mapping[str, Any], model_id: str) -> Cost:
        """By the pictures that Ark counted, at the price of the list."""
        model = next((m for m in MODELS if m.model_id == model_id), None) or model_like(model_id)
        usage = answer.get("usage") or {}
        came = sum("error" not in item for item in answer.get("data") or [])  # a stream may break off before it counts
        made, inputs = usage.get("generated_images", came), usage.get("input_images")
        if model is None or not isinstance(made, int) or made < 1:
            return Cost()
        return _cost(model, made, inputs if isinstance(inputs, int) else 0) or Cost()

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """As OpenAI's, with Ark's words for an empty purse and for a model that is not switched on."""
        told = error_in(answer.json()) or {}
        code, message = str(told.get("code") or ""), f"{self.info.display_name}: {self._words(told)}"
        words: dict[str, Any] = {"provider_code": code, "provider_id": self.info.provider_id}
        if code.startswith(NO_MONEY):
            return ProviderQuotaExhausted(message, **words)
        if code.startswith("ModelNotOpen"):
            return ProviderBadRequest(f"{message} Activate it at https://console.byteplus.com/ark first.", **words)
        return super().failure_of(answer)

    def _nothing_in(self, answer: HttpAnswer, faults: list[dict[str, Any]]) -> ProviderError:
        """Where Ark counted no picture, it bills none."""
        error = super()._nothing_in(answer, faults)
        counted = (answer.json().get("usage") or {}).get("generated_images")
        if isinstance(error, OutcomeUnknown) and faults and counted == 0:
            said = self._words(faults[0])
            return ProviderUnavailable(f"{self.info.display_name}: {said}", provider_id=self.info.provider_id)
        return error


def _size(request: ImageRequest, model: SeedreamModel) -> str:
    """The size in pixels; Ark's own word where only that was asked for, and Ark chooses the ratio.

    Raises:
        ProviderBadRequest: the model does not make that, or not from so many pictures.
    """
    width, height, faults = request.width, request.height, []
    if request.image_size and request.image_size not in model.words:
        faults.append(f"its sizes are {', '.join(model.words)}, not {request.image_size}")
    word_only = request.image_size is not None and not any(
        (preset.image_size, preset.width, preset.height) == (request.image_size, width, height)
        for preset in model.capabilities.resolution_presets or ()
    )
    least, most = model.pixels
    if not word_only and not least <= width * height <= most:
        faults.append(f"it makes from {least:,} to {most:,} pixels in all, not {width}×{height}")
    if not word_only and max(width, height) > MOST_UNEQUAL * min(width, height):
        faults.append(f"a side is at most {MOST_UNEQUAL} times the other")
    allowed = model.capabilities.max_reference_images or 0
    if len(request.input_pictures) > allowed:
        faults.append(f"it takes at most {allowed} pictures")
    series = _series(request)
    if series is not None and not model.series:
        faults.append("it makes no series")
    elif series is not None and len(request.input_pictures) + series > MOST_IN_SERIES:
        faults.append(f"pictures given and a series are at most {MOST_IN_SERIES} together")
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="seedream")
    return str(request.image_size) if word_only else f"{width}x{height}"


def _series(request: ImageRequest) -> int | None:
    """How many pictures a series may have; None: it is none.

    Raises:
        ProviderBadRequest: not as many as there can be.
    """
    series = request.options.get("series")
    if series is None:
        return None
    if isinstance(series, bool) or not isinstance(series, int) or not 2 <= series <= MOST_IN_SERIES:
        message = f"A series of Seedream has 2 to {MOST_IN_SERIES} pictures at most, not {series!r}."
        raise ProviderBadRequest(message, provider_id="seedream")
    return series


def _cost(model: SeedreamModel, made: int, inputs: int) -> Cost | None:
    if model.price_per_image is None:
        return None
    amount = Decimal(model.price_per_image) * made + Decimal(model.reference_price) * max(0, inputs - 1) * made
    return Cost(str(amount), kind=CostKind.ESTIMATED)
