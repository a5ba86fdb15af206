"""Replicate's models: what the input of each takes, what it would decide by itself, and its price.

Prices are US dollars of November 2026, from the models' pages. `go_fast` is off: with it a seed repeats no picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
    GenerationMode,
    PictureMode,
)
from invokeai.app.services.image_providers.image_model import ImageModel, PictureWork

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest

MEGAPIXEL = 1_000_000
SIZES = {
    "1:1": (1024, 1024), "16:9": (1344, 768), "9:16": (768, 1344), "3:2": (1216, 832), "2:3": (832, 1216),
    "4:3": (1152, 896), "3:4": (896, 1152), "21:9": (1536, 640), "9:21": (640, 1536),
}  # fmt: skip
CHECKER: Mapping[str, Any] = {"disable_safety_checker": False}
TOLERANT: Mapping[str, Any] = {"safety_tolerance": 2, "prompt_upsampling": False}


@dataclass(frozen=True, kw_only=True)
class ReplicateModelConfig(ImageModel):
    """A model and the members of its input.

    `size`: it is told a ratio, pixels in multiples of `step`, or makes the given picture's. `pictures` names the member
    for pictures given. `fixed`: what it would decide by itself. `per_megapixel`: of each megapixel begun, given or
    made, on top of `price_per_image`. `most_tolerant`: of its degrees of tolerance in moderation, where it has those.
    """

    size: Literal["ratio", "pixels", "picture"] = "ratio"
    step: int = 1
    pictures: Literal["", "image", "input_image", "input_images"] = ""
    steps: tuple[int, int] | None = None
    guidance: tuple[float, float] | None = None
    per_megapixel: str = "0"
    most_tolerant: int = 0
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def cost(self, request: ImageRequest) -> str:
        """What the request costs by the list."""
        sizes = [(request.width, request.height), *(picture.size for picture in request.input_pictures)]
        begun = sum(-(-width * height // MEGAPIXEL) for width, height in sizes)
        each = Decimal(self.price_per_image or 0) + Decimal(self.per_megapixel) * begun
        return str(each * request.num_images)


def _model(
    model_id: str,
    name: str,
    description: str,
    price: str,
    *,
    modes: tuple[GenerationMode, ...] = ("txt2img", "img2img"),
    references: int = 0,
    several: bool = False,
    **values: Any,
) -> ReplicateModelConfig:
    by_ratio = values.get("size", "ratio") == "ratio"
    sizes = {ratio: ExternalImageSize(width=width, height=height) for ratio, (width, height) in SIZES.items()}
    side = 2048 if values.get("size") == "pixels" else 1440 if values.get("size") == "picture" else 1536
    prompts = [ExternalModelPanelControl(name="reference_images")] if references else []
    return ReplicateModelConfig(
        model_id=f"black-forest-labs/{model_id}",
        name=f"{name} (Replicate)",
        description=description,
        price_per_image=price,
        min_side=256,
        supports_strength=values.get("pictures") == "image" and "img2img" in modes,
        capabilities=ExternalModelCapabilities(
            modes=[*modes],
            supports_reference_images=references > 0,
            max_reference_images=references or None,
            supports_negative_prompt=False,
            supports_seed=True,
            supports_steps="steps" in values,
            supports_guidance="guidance" in values,
            max_images_per_request=4 if several else 1,
            max_image_size=ExternalImageSize(width=side, height=side),
            allowed_aspect_ratios=list(SIZES) if by_ratio else None,
            aspect_ratio_sizes=sizes if by_ratio else None,
            mask_format="binary" if "inpaint" in modes else "none",
            input_image_required_for=[mode for mode in modes if mode != "txt2img"] or None,
        ),
        panel_schema=ExternalModelPanelSchema(
            prompts=prompts,
            image=[ExternalModelPanelControl(name="dimensions"), ExternalModelPanelControl(name="seed")],
        ),
        **values,
    )


def _worker(
    model_id: str, name: str, description: str, price: str, mode: PictureMode, work: PictureWork, **values: Any
) -> ReplicateModelConfig:  # fmt: skip
    can = ExternalModelCapabilities(modes=[mode], supports_negative_prompt=False, max_images_per_request=1)
    return ReplicateModelConfig(
        model_id=model_id, name=f"{name} (Replicate)", description=description, price_per_image=price,
        capabilities=can, work=work, size="picture", pictures="image", **values,
    )  # fmt: skip


def _kontext(kind: str, price: str) -> ReplicateModelConfig:
    return _model(
        f"flux-kontext-{kind}", f"FLUX.1 Kontext {kind.title()}", "Edits a picture with words.", price, references=1,
        pictures="input_image", most_tolerant=6, fixed=TOLERANT,
    )  # fmt: skip


MODELS = (
    _model(
        "flux-schnell", "FLUX.1 Schnell", "Quick drafts.", "0.003", modes=("txt2img",), several=True,
        steps=(1, 4), fixed={"go_fast": False, **CHECKER},
    ),
    _model(
        "flux-dev", "FLUX.1 Dev", "Finer; also from a picture.", "0.025", several=True, pictures="image",
        steps=(1, 50), guidance=(0, 10), fixed={"go_fast": False, **CHECKER},
    ),
    _model(  # also the run itself costs as much as a megapixel
        "flux-2-pro", "FLUX.2 Pro", "Draws and edits with up to eight pictures; any size.", "0.015", references=8,
        size="pixels", step=32, pictures="input_images", per_megapixel="0.015", most_tolerant=5,
        fixed={"safety_tolerance": 2},
    ),
    _kontext("pro", "0.04"),
    _kontext("max", "0.08"),
    _model(
        "flux-fill-dev", "FLUX.1 Fill Dev", "Makes a masked part anew.", "0.04", modes=("inpaint",), several=True,
        size="picture", step=32, pictures="image", steps=(1, 50), guidance=(0, 100),
        fixed={"megapixels": "match_input", **CHECKER},
    ),
    _model(
        "flux-fill-pro", "FLUX.1 Fill Pro", "Makes a masked part anew, finer.", "0.05", modes=("inpaint",),
        size="picture", pictures="image", most_tolerant=6, fixed=TOLERANT,
    ),
    _worker(
        "nightmareai/real-esrgan", "Real-ESRGAN", "Enlarges, true to the picture.", "0.002", "upscale",
        PictureWork(scales=(1, 10), any_scale=True, usual_scale=4, max_pixels=2_096_704),
        fixed={"face_enhance": False},
    ),
    _worker(
        "bria/remove-background", "Bria Remove Background", "Removes the background.", "0.018", "remove_background",
        PictureWork(),
    ),
)  # fmt: skip
