"""DashScope's picture models: the endpoint each one has, what it takes, and its price in US dollars of November 2026.

What a model would decide by itself is said where it takes the member: no rewriting of prompts, no mark, one picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
    GenerationMode,
)
from invokeai.app.services.image_providers.image_model import ImageModel
from invokeai.app.services.image_providers.provider_errors import ProviderBadRequest

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest

SERVICES = "/api/v1/services/aigc"
PATHS = {
    "message": f"{SERVICES}/multimodal-generation/generation",
    "words": f"{SERVICES}/text2image/image-synthesis",
    "edit": f"{SERVICES}/image2image/image-synthesis",
}
LONGEST_NEGATIVE = 500


@dataclass(frozen=True, kw_only=True)
class DashScopeModel(ImageModel):
    """`kind`: a message that is answered at once, or a task from words alone, or one that edits a picture.

    It takes `prompt_extend` (`extends`), `watermark` (`marks`), `n` (`counts`), a size (`sized`). `pixels` and `sides`:
    the least and the most that a picture has; `most_unequal`: a side by the other.
    """

    kind: Literal["message", "words", "edit"] = "message"
    extends: bool = True
    marks: bool = True
    counts: bool = True
    sized: bool = True
    pixels: tuple[int, int] = (512 * 512, 2048 * 2048)
    sides: tuple[int, int] = (1, 4096)
    most_unequal: float = 16

    @property
    def is_task(self) -> bool:
        """Whether it is asked for until it is done."""
        return self.kind != "message"

    @property
    def path(self) -> str:
        """Where it is asked."""
        return PATHS[self.kind]


def _model(
    model_id: str,
    name: str,
    description: str,
    price: str,
    *,
    modes: tuple[GenerationMode, ...] = ("txt2img",),
    references: int = 0,
    negative: bool = True,
    most: int = 1,
    strength: bool = False,
    **values: Any,
) -> DashScopeModel:
    controls = [ExternalModelPanelControl(name="dimensions"), ExternalModelPanelControl(name="seed")]
    prompts = [ExternalModelPanelControl(name="reference_images")] if references else []
    largest = values.get("sides", (1, 4096))[1]
    return DashScopeModel(
        model_id=model_id,
        name=name,
        description=description,
        capabilities=ExternalModelCapabilities(
            modes=[*modes],
            supports_reference_images=references > 0,
            supports_negative_prompt=negative,
            supports_seed=True,
            max_images_per_request=most,
            max_image_size=ExternalImageSize(width=largest, height=largest),
            max_reference_images=references or None,
            mask_format="binary" if "inpaint" in modes else "none",
            input_image_required_for=[mode for mode in modes if mode != "txt2img"] or None,
        ),
        panel_schema=ExternalModelPanelSchema(prompts=prompts, image=controls),
        price_per_image=price,
        supports_strength=strength,
        **values,
    )


def _qwen(model_id: str, name: str, description: str, price: str) -> DashScopeModel:
    return _model(model_id, name, description, price, modes=("txt2img", "img2img"), references=3, most=6)


def _wan_27(model_id: str, name: str, description: str, price: str) -> DashScopeModel:
    return _model(
        model_id, name, description, price, modes=("txt2img", "img2img"), references=9, negative=False, most=4,
        extends=False, pixels=(768 * 768, 2048 * 2048), most_unequal=8,
    )  # fmt: skip


def _wan_22(model_id: str, name: str, description: str, price: str) -> DashScopeModel:
    return _model(
        model_id, name, description, price, most=4, kind="words", pixels=(512 * 512, 1440 * 1440), sides=(512, 1440)
    )  # fmt: skip


MODELS = (
    _qwen("qwen-image-3.0", "Qwen-Image 3.0", "Draws and edits; long texts in many scripts.", "0.03"),
    _qwen("qwen-image-2.0-pro", "Qwen-Image 2.0 Pro", "The finer one of its family; draws and edits.", "0.075"),
    _qwen("qwen-image-2.0", "Qwen-Image 2.0", "The faster one of its family; draws and edits.", "0.035"),
    _model(
        "z-image-turbo", "Z-Image Turbo", "Small and fast; photographs.", "0.015", negative=False, marks=False,
        counts=False,
    ),
    _wan_27("wan2.7-image-pro", "Wan 2.7 Image Pro", "Draws and edits with up to nine pictures.", "0.075"),
    _wan_27("wan2.7-image", "Wan 2.7 Image", "The faster one; draws and edits with up to nine pictures.", "0.03"),
    _model(
        "wan2.5-t2i-preview", "Wan 2.5", "Draws from words; asked for as a task.", "0.03", most=4, kind="words",
        pixels=(768 * 768, 1440 * 1440), most_unequal=4,
    ),
    _wan_22("wan2.2-t2i-plus", "Wan 2.2 Plus", "The finer one before; asked for as a task.", "0.05"),
    _wan_22("wan2.2-t2i-flash", "Wan 2.2 Flash", "The faster one before; asked for as a task.", "0.025"),
    _model(
        "wanx2.1-imageedit", "Wan 2.1 Image Edit", "Edits, also under a mask. Region Beijing alone.", "0.021",
        modes=("img2img", "inpaint"), negative=False, most=4, strength=True, kind="edit", extends=False, sized=False,
        sides=(512, 4096), pixels=(512 * 512, 4096 * 4096),
    ),
)  # fmt: skip


def model_like(model_id: str) -> DashScopeModel | None:
    """A model that is not listed: a dated name of one that is, else one of a known family at an unknown price."""
    known = next((model for model in MODELS if model_id.startswith(f"{model.model_id}-20")), None)
    if known is not None:
        return replace(known, model_id=model_id, name=model_id)
    families = {"qwen-image-": "qwen-image-3.0", "z-image-": "z-image-turbo"}
    like = next((name for prefix, name in families.items() if model_id.startswith(prefix)), None)
    model = next((model for model in MODELS if model.model_id == like), None)
    return replace(model, model_id=model_id, name=model_id, price_per_image=None) if model else None


def check(request: ImageRequest, model: DashScopeModel) -> None:
    """Return when the model can do this.

    Raises:
        ProviderBadRequest: naming all that it cannot do.
    """
    width, height, faults = request.width, request.height, []
    (least, most), (shortest, longest) = model.pixels, model.sides
    if not least <= width * height <= most:
        sides = f"{_side(least)} to {_side(most)}"
        faults.append(f"it makes from {sides} pixels in all, not {width}×{height}")
    if not shortest <= min(width, height) <= max(width, height) <= longest:
        faults.append(f"its sides are from {shortest} to {longest} pixels, not {width}×{height}")
    if max(width, height) > model.most_unequal * min(width, height):
        faults.append(f"a side is at most {model.most_unequal:g} times the other")
    if len(request.negative_prompt or "") > LONGEST_NEGATIVE:
        faults.append(f"a negative prompt has at most {LONGEST_NEGATIVE} characters")
    allowed = model.capabilities.max_reference_images
    if allowed and len(request.input_pictures) > allowed:
        faults.append(f"it takes at most {allowed} pictures")
    if request.strength is not None and request.mode == "inpaint":
        faults.append("it takes no strength under a mask")
    # Z-Image always hears that it must not rewrite: it would think, at twice the price
    able = {"prompt_extend": model.extends and model.marks, "watermark": model.marks}
    faults += [f"it is used without {name}" for name, can in able.items() if request.options.get(name) and not can]
    if faults:
        raise ProviderBadRequest(f"{model.name} cannot do this: {'; '.join(faults)}.", provider_id="alibabacloud")


def _side(pixels: int) -> str:
    side = round(pixels**0.5)
    return f"{side}×{side}"
