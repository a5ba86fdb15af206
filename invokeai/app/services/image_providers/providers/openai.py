"""OpenAI's picture models. Nothing can be looked up later, so an answer that is lost is never sent for again.

Quality is always sent, and never left to the model unless that is asked for: it may choose a dear one. Cost is computed
from the tokens reported. A name that is not known has no price.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
)
from invokeai.app.services.image_providers.generation import Cost, CostKind, ImageRequest
from invokeai.app.services.image_providers.http_answer import HttpCall
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.model_list import ListingProvider, ids_in
from invokeai.app.services.image_providers.openai_stream import stream_reader, streamed
from invokeai.app.services.image_providers.openai_wire import OpenAiWireProvider, picture_call
from invokeai.app.services.image_providers.provider_errors import ProviderBadRequest, ProviderError

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageResult
    from invokeai.app.services.image_providers.http_answer import HttpAnswer
    from invokeai.app.services.image_providers.receipts import Receipt

MILLION = Decimal(1_000_000)
GONE = "model_not_found"
NEWER = re.compile(r"gpt-image-(2\.[7-9]|[3-9])[a-z0-9.]*(-[a-z]+)*")
MAX_PICTURES = 16
MAX_PROMPT = 32_000
MAX_DRAFTS = 3
DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
INPUT_PICTURE_TOKENS = 1000
"""What a picture given is expected to cost at most; nobody publishes it."""
DRAFT_TOKENS = 100
"""What a partial image is expected to add to the output."""
MAX_LONG_SIDE, MAX_SHORT_SIDE = 3840, 2160
SIDE_STEP = 16
FIXED_SIZES = ((1024, 1024), (1536, 1024), (1024, 1536))
QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max")
USUAL_QUALITY = "medium"


@dataclass(frozen=True, kw_only=True)
class OpenAIModelConfig(ImageModel):
    """A model with its prices: US dollars per million tokens, and a guess per 1024² picture by quality.

    `image_out` None: what tokens cost is not known. `any_size`: any two sides that divide by 16 and lie between 1:3 and
    3:1; else one of three sizes.
    """

    text_in: str = "5"
    image_in: str = "8"
    image_out: str | None = "30"
    guesses: tuple[tuple[str, str], ...] = (
        ("low", "0.0059"), ("medium", "0.013"), ("high", "0.053"), ("xhigh", "0.094"), ("max", "0.211"),
    )  # fmt: skip
    any_size: bool = False
    qualities: tuple[str, ...] = QUALITIES


CAPABILITIES = ExternalModelCapabilities(
    modes=["txt2img", "img2img", "inpaint"],
    supports_reference_images=True,
    supports_negative_prompt=False,
    max_images_per_request=10,
    max_image_size=ExternalImageSize(width=1536, height=1536),
    allowed_aspect_ratios=["1:1", "3:2", "2:3"],
    aspect_ratio_sizes={
        "1:1": ExternalImageSize(width=1024, height=1024),
        "3:2": ExternalImageSize(width=1536, height=1024),
        "2:3": ExternalImageSize(width=1024, height=1536),
    },
    max_reference_images=MAX_PICTURES,
    mask_format="alpha",
    input_image_required_for=["img2img", "inpaint"],
)
ANY_SIZE = CAPABILITIES.model_copy(
    update={
        "max_image_size": ExternalImageSize(width=MAX_LONG_SIDE, height=MAX_LONG_SIDE),
        "allowed_aspect_ratios": None,
        "aspect_ratio_sizes": None,
    }
)
PANEL = ExternalModelPanelSchema(
    prompts=[ExternalModelPanelControl(name="reference_images")],
    image=[ExternalModelPanelControl(name="dimensions")],
)


def _model(model_id: str, name: str, description: str, **values: Any) -> OpenAIModelConfig:
    capabilities = ANY_SIZE if values.get("any_size") else CAPABILITIES
    return OpenAIModelConfig(
        model_id=model_id, name=name, description=description, capabilities=capabilities, panel_schema=PANEL, **values
    )


MODELS = (
    _model("gpt-image-2.6-flare", "GPT Image 2.6 Flare", "Fast; follows instructions and draws text."),
    _model("gpt-image-2.6-sunburst", "GPT Image 2.6 Sunburst", "Finer, and steadier when it edits."),
    _model("gpt-image-2.5-flare", "GPT Image 2.5 Flare", "Fast; any size up to 4K.", any_size=True),
    _model("gpt-image-2.5-sunburst", "GPT Image 2.5 Sunburst", "The finest of its family; any size.", any_size=True),
    _model("gpt-image-2", "GPT Image 2", "The one before; any size.", any_size=True, qualities=QUALITIES[:4]),
)

DYING = (
    _model(
        "gpt-image-1.5", "GPT Image 1.5", "OpenAI retires it on 1 December 2026.", qualities=QUALITIES[:4],
        image_out=None, guesses=(("low", "0.009"), ("medium", "0.034"), ("high", "0.133")),
    ),
    _model(
        "gpt-image-1-mini", "GPT Image 1 Mini", "OpenAI retires it on 1 December 2026.", qualities=QUALITIES[:4],
        text_in="2", image_in="2.5", image_out="8", guesses=(("low", "0.005"), ("medium", "0.011")),
    ),
)  # fmt: skip
"""Not offered any more, and made as long as OpenAI does."""


def _known(model_id: str) -> OpenAIModelConfig | None:
    """The model of that name, which may be a dated one."""
    name = DATED.sub("", model_id)
    return next((model for model in (*MODELS, *DYING) if model.model_id == name), None)


class OpenAIImageService(OpenAiWireProvider, ListingProvider):
    """OpenAI's image API."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="openai",
        display_name="OpenAI",
        description="GPT Image: pictures from words and pictures, soft masks, legible text.",
        models=MODELS,
        default_model="gpt-image-2.6-flare",
        priority=30,
        options=frozenset({"quality", "background", "moderation", "input_fidelity", "partial_images"}),
        auto_options=frozenset({"quality", "background", "moderation"}),
    )
    default_base_url = "https://api.openai.com"

    def get_setup_instructions(self) -> str:
        """Where the key comes from and where it goes."""
        return "Create a key at https://platform.openai.com and set OPENAI_API_KEY, or enter it in the model manager."

    def base_url(self) -> str:
        """The address with the version at its end, whether it was given with it or not."""
        url = super().base_url()
        return url if url.endswith("/v1") else f"{url}/v1"

    def custom_model(self, model_id: str) -> ImageModel | None:
        """Image models that are not listed here, and dated names of those that are, as long as OpenAI has them."""
        if not model_id.startswith("gpt-image-") or not self.has(model_id):
            return None
        known = _known(model_id) or replace(MODELS[0], guesses=())
        return replace(known, model_id=model_id, name=model_id)

    def new_model(self, model_id: str) -> ImageModel | None:
        """Families after those of this list, with the newest one's limits and no price; no dated names."""
        if not NEWER.fullmatch(model_id):
            return None
        words = "Not known here yet; OpenAI has it."
        return replace(MODELS[0], model_id=model_id, name=model_id, description=words, guesses=())

    def named_in(self, answer: Any) -> tuple[str, ...]:
        """Every model of the key's project, whatever it makes."""
        return ids_in(answer, "data", "id")

    def estimate(self, request: ImageRequest, model: ImageModel) -> Cost | None:
        """By quality, size and what is given; `auto` counts as the dearest. None for a model of unknown price."""
        assert isinstance(model, OpenAIModelConfig)
        quality, guesses = _quality(request), {name: Decimal(guess) for name, guess in model.guesses}
        if quality == "auto" and guesses.keys() >= set(model.qualities) - {"auto"}:
            guesses["auto"] = max(guesses.values())
        if quality not in guesses:
            return None
        share = Decimal(max(request.width * request.height, 1024 * 1024)) / (1024 * 1024)
        amount = guesses[quality] * share * request.num_images
        amount += _extras(request, model) / MILLION
        return Cost(str(amount.quantize(Decimal("0.000001"))), kind=CostKind.ESTIMATED)

    def completed(self, request: ImageRequest) -> ImageRequest:
        """As ever; drafts that only the settings ask for do not keep several pictures from being made at once."""
        full = super().completed(request)
        if request.num_images == 1 or "partial_images" in request.options:
            return full
        return replace(full, options={name: v for name, v in full.options.items() if name != "partial_images"})

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """As ever; with the option `partial_images` (0 to 3) as a stream, whose drafts are shown as they come."""
        drafts = _drafts(request)
        if drafts is None:
            return await super().generate(request, model, receipt)
        options = {name: value for name, value in request.options.items() if name != "partial_images"}
        call = await asyncio.to_thread(self.call_for, replace(request, options=options), model, receipt)
        reader = stream_reader(drafts, request.on_progress)
        answer = await self.pay(streamed(call, drafts), receipt, model.timeout_seconds, reader)
        return await self.keep_and_read(answer, receipt)

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        """The picture call of the wire, with a quality that is always named."""
        assert isinstance(model, OpenAIModelConfig)
        _check(request, model)
        values: dict[str, Any] = {
            "model": model.model_id,
            "prompt": request.prompt,
            "n": request.num_images,
            "size": f"{request.width}x{request.height}",
            "output_format": "png",
            "quality": USUAL_QUALITY,
            "background": "auto",
            "moderation": "auto",  # its own default, said so that it stays what it is; the option takes `low`
            **{name: value for name, value in request.options.items() if value and name != "input_fidelity"},
        }
        return picture_call(values, request)

    async def result_in(self, values: Any, answer: HttpAnswer, receipt: Receipt) -> ImageResult:
        """As the wire's, with the quality that was made."""
        result = await super().result_in(values, answer, receipt)
        told = {name: values[name] for name in ("quality",) if isinstance(values.get(name), str)}
        return replace(result, provider_metadata=told)

    def failure_of(self, answer: HttpAnswer) -> ProviderError:
        """As the wire's; a model that is gone is told with those there are."""
        error = super().failure_of(answer)
        if error.provider_code != GONE:
            return error
        words = {"provider_code": GONE, "request_id": error.request_id}
        return ProviderBadRequest(f"{error} {self.instead()}", provider_id="openai", **words)

    def cost_of(self, answer: Mapping[str, Any], model_id: str) -> Cost:
        """From the tokens reported; unknown where they are missing or the model's price is."""
        model = _known(model_id)
        usage = answer.get("usage")
        if model is None or model.image_out is None or not isinstance(usage, dict):
            return Cost()
        if not isinstance(usage.get("output_tokens"), int):
            return Cost()
        told = usage.get("input_tokens_details") or {}
        pictures_in = int(told.get("image_tokens") or 0)
        text_in = int(told.get("text_tokens") or max(0, int(usage.get("input_tokens") or 0) - pictures_in))
        amount = (
            text_in * Decimal(model.text_in)
            + pictures_in * Decimal(model.image_in)
            + int(usage["output_tokens"]) * Decimal(model.image_out)
        ) / MILLION
        return Cost(format(amount.normalize(), "f"), kind=CostKind.COMPUTED) if amount > 0 else Cost()


def _extras(request: ImageRequest, model: OpenAIModelConfig) -> Decimal:
    """What words, pictures given and drafts cost, in millionths of a dollar."""
    given = Decimal(model.text_in) * len(request.prompt) / 2  # a token is two letters or more
    given += Decimal(model.image_in) * INPUT_PICTURE_TOKENS * len(request.input_pictures)
    return given + Decimal(model.image_out or 0) * DRAFT_TOKENS * (_drafts(request) or 0)


def _quality(request: ImageRequest) -> str:
    return str(request.options.get("quality") or USUAL_QUALITY)


def _drafts(request: ImageRequest) -> int | None:
    """How many drafts are asked for; None: no stream.

    Raises:
        ProviderBadRequest: not as many as there can be, or of several pictures at once.
    """
    drafts = request.options.get("partial_images")
    if drafts is None:
        return None
    if isinstance(drafts, bool) or not isinstance(drafts, int) or not 0 <= drafts <= MAX_DRAFTS:
        message = f"OpenAI shows 0 to {MAX_DRAFTS} partial images, not {drafts!r}."
        raise ProviderBadRequest(message, provider_id="openai")
    if request.num_images > 1:
        raise ProviderBadRequest("Partial images come with one picture a request.", provider_id="openai")
    return drafts


def _check(request: ImageRequest, model: OpenAIModelConfig) -> None:
    width, height, faults = request.width, request.height, []
    if model.any_size:
        if width % SIDE_STEP or height % SIDE_STEP:
            faults.append(f"sides divide by {SIDE_STEP}, which {width}×{height} does not")
        if max(width, height) > 3 * min(width, height):
            faults.append("a side is at most three times the other")
        if min(width, height) > MAX_SHORT_SIDE:
            faults.append(f"it makes at most {MAX_LONG_SIDE}×{MAX_SHORT_SIDE} pixels")
    elif (width, height) not in FIXED_SIZES:
        sizes = ", ".join(f"{w}×{h}" for w, h in FIXED_SIZES)
        faults.append(f"its sizes are {sizes}, not {width}×{height}")
    if len(request.prompt) > MAX_PROMPT:
        faults.append(f"a prompt has at most {MAX_PROMPT:,} characters")
    if _quality(request) not in model.qualities:
        faults.append(f"its qualities are {', '.join(model.qualities)}")
    if str(request.options.get("moderation") or "auto") not in ("auto", "low"):
        faults.append("its moderation is auto or low")
    if request.options.get("input_fidelity") == "high":
        faults.append("it keeps to input pictures closely by itself and takes no input fidelity")
    if len(request.reference_images) + (request.init_image is not None) > MAX_PICTURES:
        faults.append(f"it takes at most {MAX_PICTURES} pictures")
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="openai")
