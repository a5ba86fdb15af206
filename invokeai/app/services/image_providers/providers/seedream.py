"""BytePlus Ark: Seedream. A call makes one picture, comes back whole, and cannot be asked for later.

The mark that Ark adds by itself is always switched off or on by name. A picture may fail inside an answer of 200.
Source of the format: the volcengine-ark-runtime 5.0.54 package and BytePlus' pages of September 2026.
"""

from __future__ import annotations

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

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest
    from invokeai.app.services.image_providers.receipts import Receipt

NO_MONEY = ("AccountOverdueError", "QuotaExceeded", "SetLimitExceeded")
MOST_UNEQUAL = 16


class SeedreamImageService(OpenAiWireProvider):
    """Ark's synchronous picture endpoint."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="seedream",
        display_name="BytePlus Seedream",
        description="Seedream: large pictures, edits, up to 14 pictures to take after.",
        models=MODELS,
        default_model="seedream-5-0-260128",
        priority=60,
        options=frozenset({"watermark", "optimize_prompt"}),
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
        """By picture, and by input picture where they cost something."""
        assert isinstance(model, SeedreamModel)
        inputs = len(request.reference_images) + (request.init_image is not None)
        return _cost(model, request.num_images, inputs)

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """One picture, in the answer itself."""
        assert isinstance(model, SeedreamModel)
        size = _size(request, model)
        pictures = [data_uri(p) for p in (request.init_image, *request.reference_images) if p is not None]
        body: dict[str, Any] = {
            "model": model.model_id,
            "prompt": request.prompt,
            "image": pictures[0] if len(pictures) == 1 else pictures or None,
            "size": size,
            "response_format": "b64_json",
            "watermark": bool(request.options.get("watermark")),
            "optimize_prompt_options": {"mode": "standard"} if request.options.get("optimize_prompt") else None,
            "output_format": "png" if model.png else None,
            "sequential_image_generation": "disabled" if model.series else None,
        }
        return HttpCall("POST", "/images/generations", json=nothing_empty(body))

    def cost_of(self, answer: Mapping[str, Any], model_id: str) -> Cost:
        """By the pictures that Ark counted, at the price of the list."""
        model = next((m for m in MODELS if m.model_id == model_id), None) or model_like(model_id)
        usage = answer.get("usage") or {}
        made, inputs = usage.get("generated_images"), usage.get("input_images")
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
    if len(request.reference_images) + (request.init_image is not None) > allowed:
        faults.append(f"it takes at most {allowed} pictures")
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="seedream")
    return str(request.image_size) if word_only else f"{width}x{height}"


def _cost(model: SeedreamModel, made: int, inputs: int) -> Cost | None:
    if model.price_per_image is None:
        return None
    amount = Decimal(model.price_per_image) * made + Decimal(model.reference_price) * max(0, inputs - 1) * made
    return Cost(str(amount), kind=CostKind.ESTIMATED)
