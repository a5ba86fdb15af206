"""Stability AI's models, one for each of its addresses: what it takes and costs, in US dollars of 21 November 2026.

A credit is 0.01 US dollars. Where the price is only known to lie between two figures, the higher one counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    GenerationMode,
    PictureMode,
)
from invokeai.app.services.image_providers.image_model import ImageModel, PictureWork

MIN_SIDE, MAX_SIDE = 64, 4096
MEGAPIXEL = 1024 * 1024
SIZES = {
    "1:1": (1024, 1024), "16:9": (1344, 768), "21:9": (1536, 640), "2:3": (832, 1216), "3:2": (1216, 832),
    "4:5": (896, 1088), "5:4": (1088, 896), "9:16": (768, 1344), "9:21": (640, 1536),
}  # fmt: skip
"""About a megapixel in each aspect ratio; the file tells its true size."""


@dataclass(frozen=True, kw_only=True)
class StabilityModelConfig(ImageModel):
    """A model below `path`. `version`: its name in the member `model`, for a path that has several.

    `worded`: it takes a prompt. `guided`: it draws along a picture, or in its style, and takes no strength.
    `creativity`: from where to where, for upscalers that have it. `later`: it names a job, which is asked for.
    """

    path: str
    version: str | None = None
    worded: bool = True
    guided: bool = False
    creativity: tuple[float, float] | None = None
    later: bool = False


def _model(
    path: str,
    model_id: str,
    name: str,
    description: str,
    price: str | None,
    modes: tuple[GenerationMode, ...] = ("txt2img", "img2img"),
    **values: Any,
) -> StabilityModelConfig:
    free = "generate" in path or path.endswith("style")
    sizes = {ratio: ExternalImageSize(width=width, height=height) for ratio, (width, height) in SIZES.items()}
    styled = path.endswith("style")
    capabilities = ExternalModelCapabilities(
        modes=list(modes),
        supports_seed=True,
        supports_guidance="version" in values,
        supports_negative_prompt=path not in ("edit/outpaint", "edit/erase"),
        supports_reference_images=styled,
        max_reference_images=1 if styled else None,
        max_images_per_request=1,
        max_image_size=ExternalImageSize(width=MAX_SIDE, height=MAX_SIDE),
        allowed_aspect_ratios=list(SIZES) if free else None,
        aspect_ratio_sizes=sizes if free else None,
        mask_format="binary" if "inpaint" in modes else "none",
        input_image_required_for=[mode for mode in modes if mode != "txt2img" or styled] or None,
    )
    return StabilityModelConfig(
        path=path, model_id=model_id, name=name, description=description, price_per_image=price, min_side=MIN_SIDE,
        capabilities=capabilities, supports_strength="img2img" in modes and not values.get("guided"), **values,
    )  # fmt: skip


def _worker(
    path: str, model_id: str, name: str, description: str, price: str, mode: PictureMode, work: PictureWork,
    **values: Any,
) -> StabilityModelConfig:  # fmt: skip
    worded = work.words != "none"
    capabilities = ExternalModelCapabilities(
        modes=[mode], supports_seed=worded, supports_negative_prompt=worded, max_images_per_request=1
    )
    return StabilityModelConfig(
        path=path, model_id=model_id, name=name, description=description, price_per_image=price, work=work,
        capabilities=capabilities, supports_strength="creativity" in values, worded=worded, **values,
    )  # fmt: skip


def _sd3(model_id: str, name: str, description: str, price: str | None) -> StabilityModelConfig:
    return _model("generate/sd3", model_id, name, description, price, version=model_id)


MODELS = (
    _model("generate/core", "core", "Stable Image Core", "Quick and good value.", "0.03", ("txt2img",)),
    _model("generate/ultra", "ultra", "Stable Image Ultra", "The finest; photographs and legible text.", "0.08"),
    _sd3("sd3.5-large", "Stable Diffusion 3.5 Large", "Follows prompts closely.", "0.065"),
    _sd3("sd3.5-large-turbo", "Stable Diffusion 3.5 Large Turbo", "The quick one of its family.", "0.04"),
    _sd3("sd3.5-medium", "Stable Diffusion 3.5 Medium", "Smaller and cheaper.", "0.035"),
    _sd3("sd3.5-flash", "Stable Diffusion 3.5 Flash", "The smallest; its price is not published here.", None),
    # the prices of the rest are known only to lie between 3 and 8 credits
    _model("edit/inpaint", "inpaint", "Stable Image Inpaint", "Makes a masked part anew.", "0.08", ("inpaint",)),
    _model("edit/outpaint", "outpaint", "Stable Image Outpaint", "Grows a picture at its edges.", "0.08", ("inpaint",)),
    _model(
        "edit/erase", "erase", "Stable Image Erase", "Takes away what is masked; without a prompt.", "0.08",
        ("inpaint",), worded=False,
    ),
    _model(
        "control/structure", "structure", "Stable Image Structure", "Keeps a picture's structure.", "0.08",
        ("img2img",), guided=True,
    ),
    _model(
        "control/sketch", "sketch", "Stable Image Sketch", "Makes a picture of a sketch.", "0.08",
        ("img2img",), guided=True,
    ),
    _model(
        "control/style", "style", "Stable Image Style", "Draws in the style of a reference picture.", "0.08",
        ("txt2img",), guided=True,
    ),
    _worker(
        "upscale/fast", "upscale-fast", "Stable Image Fast Upscale", "Four times as large within a second.", "0.02",
        "upscale", PictureWork(
            scales=(4,), usual_scale=4, min_side=32, max_side=1536, min_pixels=1024, max_pixels=MEGAPIXEL
        ),
    ),
    _worker(
        "upscale/conservative", "upscale-conservative", "Stable Image Conservative Upscale",
        "To about 4 megapixels, true to the picture; it wants a prompt that says what is there.", "0.40", "upscale",
        PictureWork(usual_pixels=4 * MEGAPIXEL, min_side=64, min_pixels=4096, max_pixels=9_437_184, words="required"),
        creativity=(0.2, 0.5),
    ),
    _worker(
        "upscale/creative", "upscale-creative", "Stable Image Creative Upscale",
        "To about 4 megapixels, inventing what a poor picture lacks; it wants a prompt that says what is there.",
        "0.60", "upscale",
        PictureWork(usual_pixels=4 * MEGAPIXEL, min_side=64, min_pixels=4096, max_pixels=MEGAPIXEL, words="required"),
        creativity=(0.1, 0.5), later=True,
    ),
    _worker(
        "edit/remove-background", "remove-background", "Stable Image Background Removal",
        "Keeps what is in front.", "0.05", "remove_background",
        PictureWork(min_side=64, min_pixels=4096, max_pixels=4 * MEGAPIXEL),
    ),
)  # fmt: skip
