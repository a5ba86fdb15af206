"""What Black Forest Labs' families take: each its own members, and a request that fits none of them is refused.

What they would decide by themselves is said where the member is known: no rewriting of prompts, no search of the web,
and as much tolerance in moderation as is their own default. FLUX 3 Klein's members are not published, so nothing is
added to what is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invokeai.app.services.image_providers.aspect_ratios import ratio_near
from invokeai.app.services.image_providers.bfl_models import (
    MOST_TOLERANT,
    RATIOS,
    RESOLUTIONS,
    SIDES,
    BflModelConfig,
    resolution_of,
)
from invokeai.app.services.image_providers.http_provider import base64_png
from invokeai.app.services.image_providers.masks import NOT_AN_EDGE, growth_of, white_mask
from invokeai.app.services.image_providers.provider_errors import ProviderBadRequest

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest

SEEDS = 2**32
"""Their seeds have 32 bits: the same one of ours always becomes the same one of theirs."""
TOLERANCE = 2
SIZE_NEAR = 0.06
"""How far a size may be from those that are made, where only a ratio is sent."""
WIDEST_EDGE = 2048
RANGES = {"flux-2": ((1, 50), (1.5, 10)), "fill": ((15, 50), (1.5, 100)), "expand": ((15, 50), (1.5, 100))}
"""Steps and guidance, of the families that take them."""


def body_of(request: ImageRequest, model: BflModelConfig) -> dict[str, Any]:
    """The body of the request, with None where nothing is asked for. Slow: draws PNG files.

    Raises:
        ProviderBadRequest: the model cannot do this.
    """
    _check(request, model)
    family, size = model.family, (request.width, request.height)
    asked = request.options.get("safety_tolerance")
    body: dict[str, Any] = {
        "prompt": request.prompt,
        "safety_tolerance": TOLERANCE if asked is None and family != "flux-3-klein" else asked,
        "seed": None if request.seed is None else request.seed % SEEDS,
    }
    pictures = [base64_png(picture) for picture in request.input_pictures]
    if family == "flux-3":
        body |= {
            "images": pictures or None,
            "aspect_ratio": ratio_near(RATIOS, *size),
            "resolution": resolution_of(request),
        }
        return body | {"grounding": bool(request.options.get("grounding"))}
    if family == "flux-3-klein":
        return body | {"images": pictures or None, "width": size[0], "height": size[1], "output_format": "png"}
    if family == "kontext":
        return body | {**_numbered(pictures), "aspect_ratio": ratio_near(RATIOS, *size)}
    body["output_format"] = "png"
    if family == "ultra":
        raw = bool(request.options.get("raw"))
        return body | {
            "image_prompt": next(iter(pictures), None),
            "aspect_ratio": ratio_near(RATIOS, *size),
            "raw": raw,
        }
    if model.capabilities.supports_steps:
        body |= {"steps": request.steps, "guidance": request.guidance, "prompt_upsampling": False}
    if family in ("fill", "expand"):
        return body | _masked(request, model)
    body |= {"width": size[0], "height": size[1]}
    return body | ({"image_prompt": next(iter(pictures), None)} if family == "pro" else _numbered(pictures))


def _numbered(pictures: list[str]) -> dict[str, str]:
    return {f"input_image_{index + 1}" if index else "input_image": text for index, text in enumerate(pictures)}


def _masked(request: ImageRequest, model: BflModelConfig) -> dict[str, Any]:
    """The picture with its mask; or what is kept of it, with the widths of the new edges."""
    assert request.init_image is not None and request.mask_image is not None
    size = (request.width, request.height)
    if model.family == "fill":
        picture = request.init_image.convert("RGB").resize(size)
        return {"image": base64_png(picture), "mask": base64_png(white_mask(request.mask_image, size))}
    growth = growth_of(request.init_image, request.mask_image, size)
    if growth is None or growth.most > WIDEST_EDGE:
        fault = NOT_AN_EDGE if growth is None else f"an edge grows by at most {WIDEST_EDGE} pixels, not {growth.most}"
        raise ProviderBadRequest(f"{model.name} cannot do this: {fault}.", provider_id="bfl")
    edges = {"left": growth.left, "top": growth.top, "right": growth.right, "bottom": growth.bottom}
    return {"image": base64_png(growth.picture), **edges}


def _check(request: ImageRequest, model: BflModelConfig) -> None:
    faults = [*_size_faults(request, model), *_picture_faults(request, model), *_range_faults(request, model)]
    tolerance, most = request.options.get("safety_tolerance"), MOST_TOLERANT[model.family]
    if tolerance is not None and not (type(tolerance) is int and 0 <= tolerance <= most):
        faults.append(f"its safety_tolerance is a whole number from 0 to {most}")
    for option, family in (("grounding", "flux-3"), ("raw", "ultra")):
        if request.options.get(option) and model.family != family:
            faults.append(f"it has no {option}")
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="bfl")


def _size_faults(request: ImageRequest, model: BflModelConfig) -> list[str]:
    width, height, family = request.width, request.height, model.family
    asked = f"{width}×{height}"
    if family in SIDES:
        if ratio_near(RATIOS, width, height) is None:
            return [f"its aspect ratios are {', '.join(RATIOS)}, and {asked} is none of them"]
        if family == "flux-3" and request.image_size is not None:
            known = request.image_size in RESOLUTIONS
            return [] if known else [f"its sizes are {', '.join(RESOLUTIONS)}, not {request.image_size}"]
        if all(abs((width * height) ** 0.5 / side - 1) > SIZE_NEAR for side in SIDES[family]):
            sides = ", ".join(map(str, SIDES[family]))
            return [f"its sizes have the pixels of a square of {sides}, not {asked}"]
        return []
    if width * height > model.most_pixels:
        return [f"it makes at most {model.most_pixels:,} pixels, not {asked}"]
    step = 1 if family in ("fill", "expand") else 32 if family == "pro" else 16
    return [f"its sides are multiples of {step}, and {asked} has another"] if width % step or height % step else []


def _picture_faults(request: ImageRequest, model: BflModelConfig) -> list[str]:
    pictures = request.input_pictures
    most = model.capabilities.max_reference_images or 1
    if len(pictures) > most:
        return [f"it takes at most {most} pictures with the initial one, not {len(pictures)}"]
    small = model.family in ("flux-3", "flux-3-klein") and any(p.width * p.height < 256 * 256 for p in pictures)
    return ["its pictures have at least as many pixels as 256×256"] if small else []


def _range_faults(request: ImageRequest, model: BflModelConfig) -> list[str]:
    if model.family not in RANGES:
        return []
    (least, most), (low, high) = RANGES[model.family]
    faults = []
    if request.steps is not None and not least <= request.steps <= most:
        faults.append(f"its steps are from {least} to {most}")
    if request.guidance is not None and not low <= request.guidance <= high:
        faults.append(f"its guidance is from {low:g} to {high:g}")
    return faults
