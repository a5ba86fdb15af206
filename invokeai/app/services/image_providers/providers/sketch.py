"""Sketch: patterns drawn by this server itself, without key, network or model weights.

The same prompt, seed, model, size and pictures give the same bytes. It is a pattern, not a picture of what the prompt
says: words choose colours and liveliness, the rest is the seed. It costs nothing because nothing leaves the machine,
so its cost is the amount 0, computed, and not a guess.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
)
from invokeai.app.services.image_providers.generation import (
    Cost,
    CostKind,
    GeneratedImage,
    ImageRequest,
    ImageResult,
)
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.sketch_work import MODELS as WORK_MODELS
from invokeai.app.services.image_providers.sketch_work import worked_on

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.image_providers.receipts import Receipt

FREE = Cost(amount="0", kind=CostKind.COMPUTED)
MAX_SIDE = 4096
MIN_SIDE = 16
IMG2IMG_STRENGTH = 0.6
PREVIEW_SIDE = 160
SEED_BITS = 32

CAPABILITIES = ExternalModelCapabilities(
    modes=["txt2img", "img2img", "inpaint"],
    supports_reference_images=True,
    supports_negative_prompt=False,
    supports_seed=True,
    max_images_per_request=8,
    max_image_size=ExternalImageSize(width=MAX_SIDE, height=MAX_SIDE),
    max_reference_images=4,
    mask_format="binary",
    input_image_required_for=["img2img", "inpaint"],
)
PANEL = ExternalModelPanelSchema(
    prompts=[ExternalModelPanelControl(name="reference_images")],
    image=[ExternalModelPanelControl(name="dimensions"), ExternalModelPanelControl(name="seed")],
)


def _model(model_id: str, name: str, looks: str) -> ImageModel:
    return ImageModel(
        model_id=model_id,
        name=name,
        description=f"Offline pattern sketch, no AI: {looks} Words of the prompt choose its colours. Free, no key.",
        capabilities=CAPABILITIES,
        panel_schema=PANEL,
        supports_strength=True,
        min_side=MIN_SIDE,
        tags=("offline", "free", "pattern"),
    )


class SketchImageService(ImageProvider):
    """The embedded provider; always available."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="sketch",
        display_name="Sketch",
        description="Patterns drawn offline by this server, for trying every mode of the studio without a key.",
        models=(
            _model("flow", "Sketch Flow", "flowing silk and glass."),
            _model("symmetry", "Sketch Symmetry", "rosettes with five- to twelvefold symmetry."),
            _model("mono", "Sketch Mono", "ink contours on paper."),
            *WORK_MODELS,
        ),
        default_model="flow",
        priority=1000,
        is_paid=False,
        needs_key=False,
        takes_key=False,
        max_concurrency=os.cpu_count() or 1,
    )

    def get_setup_instructions(self) -> str:
        """There is nothing to set up."""
        return "Sketch works without any set-up."

    def estimate(self, request: ImageRequest, model: ImageModel) -> Cost | None:
        """Nothing, and that is certain."""
        return FREE

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """The patterns, one after another, in a worker thread. Being cancelled stops the thread within milliseconds.

        Work on a given picture is one step of seconds at most; being cancelled ends the waiting for it.
        """
        if model.work is not None and request.init_image is not None:
            picture = await asyncio.to_thread(worked_on, request.init_image, request)
            return self._result(model, (GeneratedImage(picture),), "offline, no AI")
        first = request.seed if request.seed is not None else _chosen_seed(request)
        images = []
        for index in range(request.num_images):
            images.append(await self._one(request, model, first + index, index))
        return self._result(model, tuple(images), "offline pattern sketch")

    def _result(self, model: ImageModel, images: tuple[GeneratedImage, ...], note: str) -> ImageResult:
        return ImageResult(
            images=images,
            provider_id=self.info.provider_id,
            model_id=model.model_id,
            cost=FREE,
            provider_metadata={"note": note},
        )

    async def _one(self, request: ImageRequest, model: ImageModel, seed: int, index: int) -> GeneratedImage:
        stop = threading.Event()
        try:
            if request.on_progress is not None:
                preview = await asyncio.to_thread(_preview, request, model.model_id, seed)
                request.on_progress("Sketching", index / request.num_images, preview)
            picture = await asyncio.to_thread(_draw, request, model.model_id, seed, stop)
        finally:
            stop.set()
        return GeneratedImage(picture, seed)


def _chosen_seed(request: ImageRequest) -> int:
    """A seed of our own: the same when the same call is repeated after a crash, else by chance."""
    if request.call_id is None:
        return secrets.randbits(SEED_BITS)
    import zlib

    return zlib.crc32(request.call_id.encode())


def _draw(request: ImageRequest, style: str, seed: int, stop: threading.Event) -> Image:
    from invokeai.backend.sketch import Sketch

    sketch = Sketch(request.prompt, seed, cast("Literal['flow', 'mono', 'symmetry']", style), request.reference_images)
    size = request.width, request.height
    if request.init_image is None or request.mode == "txt2img":
        return sketch.draw(*size, stop.is_set)
    if request.mode == "img2img":
        strength = IMG2IMG_STRENGTH if request.strength is None else request.strength
        return sketch.draw_over(request.init_image, size, strength, stop.is_set)
    strength = 1.0 if request.strength is None else request.strength
    mask = cast("Image", request.mask_image)
    return sketch.draw_into(request.init_image, mask, size, strength, stop.is_set)


def _preview(request: ImageRequest, style: str, seed: int) -> Image:
    """The text-only pattern in small, with the proportions of the picture."""
    from invokeai.backend.sketch import Sketch

    shrink = PREVIEW_SIDE / max(request.width, request.height, PREVIEW_SIDE)
    sketch = Sketch(request.prompt, seed, cast("Literal['flow', 'mono', 'symmetry']", style), request.reference_images)
    return sketch.draw(max(2, round(request.width * shrink)), max(2, round(request.height * shrink)))
