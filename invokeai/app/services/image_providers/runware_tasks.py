"""Runware's picture tasks: only members that the model declares, and a refusal in words for what it cannot do.

Runware takes a field that a model does not have for an error, so nothing is sent to all models alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invokeai.app.services.image_providers.http_provider import data_uri, nothing_empty
from invokeai.app.services.image_providers.masks import NOT_AN_EDGE, Growth, growth_of, white_mask
from invokeai.app.services.image_providers.provider_errors import ProviderBadRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invokeai.app.services.image_providers.generation import ImageRequest
    from invokeai.app.services.image_providers.runware_models import RunwareModelConfig

Item = dict[str, Any]

MAX_PROMPT = 3000
DEFAULT_STRENGTH = 0.8
WORKS = {"upscale": "upscale", "remove_background": "removeBackground"}
MAX_MADE_SIDE = 4096
"""Of an upscaled picture: what would be larger is shrunk first."""
EDGE_STEP = 64
"""New edges are as many pixels wide, or a multiple."""
ACCELERATIONS = ("none", "low", "medium", "high")
MOST_TOLERANT = 5
OPTIONS = frozenset({"acceleration", "quality", "safety_tolerance", "outpaint"})


def task(request: ImageRequest, model: RunwareModelConfig, task_id: str) -> Item:
    """The task as Runware takes it.

    Raises:
        ProviderBadRequest: the model cannot do this.
    """
    _check(request, model)
    if model.work is not None:
        return nothing_empty({**_work(request, model), **_delivery(model, task_id)})
    seed = request.seed
    values: Item = {
        "taskType": "imageInference",
        "positivePrompt": request.prompt,
        "width": request.width,
        "height": request.height,
        "numberResults": request.num_images,
        "negativePrompt": request.negative_prompt or None,
        "seed": None if seed is None else seed % (model.max_seed + 1),
        "steps": request.steps if request.steps is not None else model.steps,
        "CFGScale": request.guidance if request.guidance is not None else model.guidance,
        "acceleration": request.options.get("acceleration", model.acceleration),
        "settings": _settings(request, model) or None,
        **_pictures(request, model),
    }
    return nothing_empty({**values, **_delivery(model, task_id)})


def _delivery(model: RunwareModelConfig, task_id: str) -> Item:
    return {
        "taskUUID": task_id,
        "model": model.model_id,
        "outputType": "URL",
        "outputFormat": "PNG",
        "deliveryMethod": "async",
        "includeCost": True,
    }


def _work(request: ImageRequest, model: RunwareModelConfig) -> Item:
    """What is done with the picture as it is, with its transparency."""
    assert model.work is not None and request.init_image is not None
    mode = "RGBA" if request.init_image.has_transparency_data else "RGB"
    scale = None if request.mode != "upscale" else request.scale or model.work.usual_scale
    return {
        "taskType": WORKS[request.mode],
        "inputs": {"image": data_uri(request.init_image.convert(mode))},
        "upscaleFactor": None if scale is None else int(scale),
    }


def _settings(request: ImageRequest, model: RunwareModelConfig) -> Item:
    quality = request.options.get("quality", model.qualities[0][0]) if model.qualities else None
    return nothing_empty({"quality": quality, "safetyTolerance": request.options.get("safety_tolerance")})


def _pictures(request: ImageRequest, model: RunwareModelConfig) -> Item:
    """`inputs` and what belongs to them. Masks are white where it repaints and as large as the picture."""
    size, inputs, beside = (request.width, request.height), dict[str, Any](), dict[str, Any]()
    initial = request.init_image.convert("RGB").resize(size) if request.init_image is not None else None
    references = list(request.reference_images)
    if initial is not None and model.pictures == "references":
        references.insert(0, initial)
    elif initial is not None:
        inputs["seedImage"] = data_uri(initial)
        if model.supports_strength:
            beside["strength"] = DEFAULT_STRENGTH if request.strength is None else request.strength
    if request.mask_image is not None and initial is not None:
        if request.options.get("outpaint"):
            growth = growth_of(initial, request.mask_image, size)
            assert growth is not None  # checked
            inputs["seedImage"] = data_uri(growth.picture)
            beside = {"outpaint": {side: width for side, width in _edges(growth).items() if width}}
        else:
            inputs["maskImage"] = data_uri(white_mask(request.mask_image, size))
    if references:
        inputs["referenceImages"] = [data_uri(image) for image in references]
    return {**beside, "inputs": inputs or None}


def _edges(growth: Growth) -> dict[str, int]:
    return {"top": growth.top, "right": growth.right, "bottom": growth.bottom, "left": growth.left}


# --- what is refused -------------------------------------------------------------------------------------------------


def _check(request: ImageRequest, model: RunwareModelConfig) -> None:
    faults = _option_faults(request, model)
    if model.work is None:
        faults += [*_size_faults(request, model), *_value_faults(request, model)]
    elif max(request.width, request.height) > MAX_MADE_SIDE:
        faults.append(
            f"a side of what it makes has at most {MAX_MADE_SIDE} pixels, not {request.width}×{request.height}"
        )
    most, given = model.capabilities.max_reference_images, len(request.input_pictures)
    if model.pictures == "references" and most and given > most:
        faults.append(f"it takes at most {most} pictures with the initial one, not {given}")
    if request.options.get("outpaint") and not faults:
        faults += _outpaint_faults(request)
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="runware")


def _size_faults(request: ImageRequest, model: RunwareModelConfig) -> list[str]:
    """In words with the nearest size that it makes."""
    width, height, step = request.width, request.height, model.side_step
    given, faults = f"{width}×{height}", []
    if model.named_sizes:
        if (width, height) not in model.named_sizes:
            near = min(model.named_sizes, key=lambda size: _distance(size, (width, height)))
            faults.append(f"it has sizes of its own, and {given} is none of them; take {near[0]}×{near[1]}")
        return faults
    if width % step or height % step:
        sides = (max(model.min_side, round(side / step) * step) for side in (width, height))
        near_text = "×".join(map(str, sides))
        faults.append(f"sides are multiples of {step} pixels, so not {given}; take {near_text}")
    if model.longest_ratio and max(width, height) > model.longest_ratio * min(width, height):
        longest = int(min(width, height) * model.longest_ratio)
        sides = (min(side, longest) for side in (width, height))
        near_text = "×".join(map(str, sides))
        faults.append(f"one side is at most {model.longest_ratio:g} times the other, so not {given}; take {near_text}")
    if model.pixels and not model.pixels[0] <= width * height <= model.pixels[1]:
        faults.append(_pixel_fault(width, height, model.pixels))
    return faults


def _pixel_fault(width: int, height: int, bounds: tuple[int, int]) -> str:
    few = width * height < bounds[0]
    factor = (bounds[0 if few else 1] / (width * height)) ** 0.5
    near = [int(side * factor) + few for side in (width, height)]
    return f"it makes {bounds[0]:,} to {bounds[1]:,} pixels, so not {width}×{height}; take {near[0]}×{near[1]}"


def _distance(size: tuple[int, int], wanted: tuple[int, int]) -> float:
    ratio = size[0] * wanted[1] / (size[1] * wanted[0])
    area = size[0] * size[1] / (wanted[0] * wanted[1])
    return 4 * abs(max(ratio, 1 / ratio) - 1) + abs(max(area, 1 / area) - 1)


def _value_faults(request: ImageRequest, model: RunwareModelConfig) -> list[str]:
    faults, least, most = [], *model.guidance_range
    if not 2 <= len(request.prompt) <= MAX_PROMPT:
        faults.append(f"a prompt has 2 to {MAX_PROMPT} characters")
    if request.negative_prompt and not 2 <= len(request.negative_prompt) <= MAX_PROMPT:
        faults.append(f"a negative prompt has 2 to {MAX_PROMPT} characters")
    if request.seed is not None and request.seed >= 2**63:
        faults.append("a seed is below 2^63")
    if request.steps is not None and not 1 <= request.steps <= model.max_steps:
        faults.append(f"steps are 1 to {model.max_steps}")
    if request.guidance is not None and not least <= request.guidance <= most:
        faults.append(f"guidance is {least:g} to {most:g}")
    return faults


def _option_faults(request: ImageRequest, model: RunwareModelConfig) -> list[str]:
    able: dict[str, tuple[bool, Sequence[Any]]] = {
        "acceleration": (model.acceleration is not None, ACCELERATIONS),
        "quality": (bool(model.qualities), [word for word, _ in model.qualities]),
        "safety_tolerance": (model.tolerance, range(MOST_TOLERANT + 1)),
        "outpaint": (model.outpaints and request.mode == "inpaint", (True, False)),
    }
    faults = []
    for name, value in request.options.items():
        takes, values = able[name]
        if not takes:
            faults.append(f"it has no {name} here")
        elif value not in values:
            faults.append(f"its {name} is one of {', '.join(map(str, values))}, not {value!r}")
    return faults


def _outpaint_faults(request: ImageRequest) -> list[str]:
    assert request.init_image is not None and request.mask_image is not None
    growth = growth_of(request.init_image, request.mask_image, (request.width, request.height))
    if growth is None:
        return [f"told to outpaint, {NOT_AN_EDGE}"]
    off = {side: width for side, width in _edges(growth).items() if width % EDGE_STEP}
    near = ", ".join(
        f"{side} {max(1, round(width / EDGE_STEP)) * EDGE_STEP}, not {width}" for side, width in off.items()
    )
    faults = [f"told to outpaint, new edges are multiples of {EDGE_STEP} pixels: {near}"] if off else []
    if request.strength is not None:
        faults.append("told to outpaint, it takes no strength")
    return faults
