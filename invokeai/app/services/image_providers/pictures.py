"""From a request to pictures ready for the gallery, with the metadata that says how they were made and what they cost.

An inpainted picture has the initial image's size, and what the mask keeps is the initial image, pixel by pixel. A
picture without its background is RGBA.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from invokeai.app.services.image_providers.generation import (
    GeneratedImage,
    ImageRequest,
    ImageResult,
    cost_text,
)
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager, Route
from invokeai.app.services.image_providers.paid_work import current_work
from invokeai.app.services.image_providers.receipts import CallKey
from invokeai.version import CONTRACT_VERSION

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to be stored: a file's bytes or a decoded image, and its metadata."""

    image: Image | bytes
    metadata: dict[str, Any]
    result: ImageResult


async def make_pictures(
    manager: ImageServiceManager,
    request: ImageRequest,
    key: CallKey,
    *,
    metadata: Mapping[str, Any] | None = None,
    provider_id: str | None = None,
    calls_done: int = 0,
) -> AsyncIterator[Picture]:
    """The pictures, call by call, so that those of an earlier call are kept when a later one fails.

    The first `calls_done` calls are left out: an earlier run has stored their pictures.

    The receipt of a call is closed when the caller comes back for the next picture, that is, after storing it.
    `image_size` is passed on only to models with resolution presets, and a seed of 0 only to models with seeds: the UI
    sends them along with every model.

    Raises:
        ProviderError, NotFound: as `ImageServiceManager.generate`, or the model is not one of `provider_id`.
    """
    route = manager.usable_route(request, provider_id)
    if not route.model.capabilities.resolution_presets:
        request = replace(request, image_size=None)
    if request.seed == 0 and not route.model.capabilities.supports_seed:
        request = replace(request, seed=None)
    for index, call in list(enumerate(manager.split(request)))[calls_done:]:
        current_work().check()
        call_key = replace(key, index=key.index + index)
        if call.on_progress and route.provider.info.is_paid:
            expected = cost_text(route.provider.estimate(route.provider.completed(call), route.model))
            call.on_progress(f"Asking {route.provider.info.display_name} ({expected})", None, None)
        with manager.place() as place:
            result = await manager.generate(call, call_key, place)
            for image in result.images:
                finished = await _finished(call, image)
                yield Picture(finished, picture_metadata(metadata or {}, call, route, result, image), result)
            await manager.stored(result)


def picture_metadata(
    given: Mapping[str, Any], request: ImageRequest, route: Route, result: ImageResult, image: GeneratedImage
) -> dict[str, Any]:
    """What is known of a picture: what the graph says, then who made it with what, and its cost (of the whole call)."""
    facts = {
        **result_metadata(result, image),
        "external_model_asked": result.asked or _asked_if_other(route, result),
        "image_size": request.image_size,
        "upscale_scale": request.scale,
        **{f"{result.provider_id}_{name}": value for name, value in request.options.items()},
    }
    return {name: value for name, value in (*given.items(), *facts.items()) if value is not None}


def result_metadata(result: ImageResult, image: GeneratedImage) -> dict[str, Any]:
    """What the provider's answer says of a picture."""
    cost = {"amount": result.cost.amount, "currency": result.cost.currency, "kind": str(result.cost.kind)}
    if len(result.images) > 1:
        cost["images"] = len(result.images)  # type: ignore[assignment]
    facts = {
        "app_version": CONTRACT_VERSION,
        "external_provider": result.provider_id,
        "external_model_id": result.model_id,
        "external_request_id": result.request_id,
        "external_provider_metadata": dict(result.provider_metadata) or None,
        "external_seed": image.seed,
        "external_note": result.note,
        "cost": cost,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _asked_if_other(route: Route, result: ImageResult) -> str | None:
    return route.model.model_id if route.model.model_id != result.model_id else None


async def _finished(request: ImageRequest, image: GeneratedImage) -> Image | bytes:
    if request.mode == "remove_background":
        return await asyncio.to_thread(_with_alpha, image.image)
    if request.mode != "inpaint" or request.init_image is None or request.mask_image is None:
        return image.image
    return await asyncio.to_thread(_keep_masked, image.image, request.init_image, request.mask_image)


def _with_alpha(made: Image | bytes) -> Image | bytes:
    """As it came where it has alpha, a channel of its own; else converted (a palette's transparency becomes alpha)."""
    from PIL import Image as Pillow

    picture = Pillow.open(io.BytesIO(made)) if isinstance(made, bytes) else made
    return made if picture.mode == "RGBA" else picture.convert("RGBA")


def _keep_masked(made: Image | bytes, initial: Image, mask: Image) -> Image:
    from PIL import Image as Pillow

    picture = Pillow.open(io.BytesIO(made)) if isinstance(made, bytes) else made
    mode = "RGBA" if initial.mode in ("RGBA", "LA", "PA") else "RGB"
    fitted = picture.convert(mode)
    if fitted.size != initial.size:
        fitted = fitted.resize(initial.size, Pillow.Resampling.LANCZOS)
    keep = mask.convert("L")
    if keep.size != initial.size:
        keep = keep.resize(initial.size, Pillow.Resampling.BILINEAR)
    return Pillow.composite(initial.convert(mode), fitted, keep)
