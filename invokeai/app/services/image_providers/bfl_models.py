"""Black Forest Labs' models, what each family takes and costs. An estimate never understates: each megapixel counts.

Prices are US dollars of November 2026, from https://docs.bfl.ai/quick_start/pricing.md and the pages on FLUX 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from invokeai.app.services.image_providers.aspect_ratios import size_in
from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
    ExternalResolutionPreset,
)
from invokeai.app.services.image_providers.image_model import ImageModel

if TYPE_CHECKING:
    from invokeai.app.services.image_providers.generation import ImageRequest

Family: TypeAlias = Literal["flux-3", "flux-3-klein", "flux-2", "kontext", "pro", "ultra", "fill", "expand"]
MEGAPIXEL = 1024 * 1024
RATIOS = ("21:9", "16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16", "9:21")
RESOLUTIONS = {"768sq": 768, "1k": 1024, "1.5k": 1536, "2k": 2048, "4k": 4096}
"""FLUX 3's words for a size: the side of a square with as many pixels."""
SIDES: dict[Family, tuple[int, ...]] = {"flux-3": tuple(RESOLUTIONS.values()), "kontext": (1024,), "ultra": (2048,)}
"""Families that are told an aspect ratio, with the sides of squares that have as many pixels as they make."""
MOST_TOLERANT: dict[Family, int] = {
    "flux-3": 4, "flux-3-klein": 4, "flux-2": 5, "kontext": 6, "pro": 6, "ultra": 6, "fill": 6, "expand": 6,
}  # fmt: skip
FLUX_3_PRICES = {"768sq": "0.041", "1k": "0.048", "1.5k": "0.100", "2k": "0.100", "4k": "0.607"}  # 1.5k: as 2k
KLEIN_PRICES = {1024: "0.009", 2048: "0.014", 4096: "0.036"}


@dataclass(frozen=True, kw_only=True)
class BflModelConfig(ImageModel):
    """`first_megapixel` and `more_per_megapixel`: US dollars, for families that are priced so. `most_pixels`: made."""

    family: Family
    first_megapixel: str | None = None
    more_per_megapixel: str = "0"
    most_pixels: int = 4 * MEGAPIXEL


def resolution_of(request: ImageRequest) -> str:
    """FLUX 3's word for the size: as it was asked for, else the one whose number of pixels comes nearest."""
    if request.image_size in RESOLUTIONS:
        return request.image_size
    side = (request.width * request.height) ** 0.5
    return min(RESOLUTIONS, key=lambda name: abs(RESOLUTIONS[name] - side))


def price_of(model: BflModelConfig, request: ImageRequest) -> Decimal | None:
    """What one picture would cost at most, in US dollars; None where the price is not known."""
    pixels = request.width * request.height
    if model.price_per_image is not None:
        return Decimal(model.price_per_image)
    if model.first_megapixel is None:
        return None
    if model.family == "flux-3":
        return Decimal(FLUX_3_PRICES[resolution_of(request)])
    if model.family == "flux-3-klein":
        return Decimal(next((p for side, p in KLEIN_PRICES.items() if pixels <= side * side), KLEIN_PRICES[4096]))
    given = sum(_megapixels(picture.width * picture.height) for picture in request.input_pictures)
    return Decimal(model.first_megapixel) + Decimal(model.more_per_megapixel) * (_megapixels(pixels) - 1 + given)


def _megapixels(pixels: int) -> int:
    return -(-pixels // MEGAPIXEL)


def _presets() -> list[ExternalResolutionPreset]:
    return [
        ExternalResolutionPreset(
            label=f"{ratio} ({word})", aspect_ratio=ratio, image_size=word, width=width, height=height
        )
        for word in sorted(RESOLUTIONS, key=lambda word: (word != "1k", RESOLUTIONS[word]))
        for ratio in RATIOS
        for width, height in [size_in(ratio, RESOLUTIONS[word])]
    ]


def _capabilities(family: Family, pictures: int, seed: bool, side: int, tuned: bool) -> ExternalModelCapabilities:
    masked = family in ("fill", "expand")
    drawn_anew = family in ("pro", "ultra")
    sizes = {ratio: size_in(ratio, SIDES[family][0]) for ratio in RATIOS} if family in ("kontext", "ultra") else None
    return ExternalModelCapabilities(
        modes=["inpaint"] if masked else ["txt2img"] if drawn_anew else ["txt2img", "img2img"],
        supports_reference_images=pictures > 0,
        max_reference_images=pictures or None,
        supports_negative_prompt=False,
        supports_seed=seed,
        supports_steps=tuned,
        supports_guidance=tuned,
        max_images_per_request=1,
        max_image_size=ExternalImageSize(width=side, height=side),
        allowed_aspect_ratios=list(RATIOS) if family in SIDES else None,
        aspect_ratio_sizes=sizes and {ratio: ExternalImageSize(width=w, height=h) for ratio, (w, h) in sizes.items()},
        resolution_presets=_presets() if family == "flux-3" else None,
        mask_format="binary" if masked else "none",
        input_image_required_for=["inpaint"] if masked else None if drawn_anew else ["img2img"],
    )


def _model(
    model_id: str,
    name: str,
    description: str,
    family: Family,
    first: str,
    more: str = "0",
    *,
    pictures: int = 8,
    seed: bool = True,
    side: int = 4096,
    tuned: bool = False,
    flat: bool = False,
) -> BflModelConfig:
    controls = [ExternalModelPanelControl(name="dimensions")]
    if seed:
        controls.append(ExternalModelPanelControl(name="seed"))
    prompts = [ExternalModelPanelControl(name="reference_images")] if pictures else []
    return BflModelConfig(
        model_id=model_id,
        name=name,
        description=description,
        family=family,
        capabilities=_capabilities(family, pictures, seed, side, tuned),
        panel_schema=ExternalModelPanelSchema(prompts=prompts, image=controls),
        min_side=256 if family == "pro" else 64,
        most_pixels=16 * MEGAPIXEL if family.startswith("flux-3") else 4 * MEGAPIXEL,
        price_per_image=first if flat else None,
        first_megapixel=None if flat else first,
        more_per_megapixel=more,
    )


MODELS = (
    _model("flux-3-image-klein", "FLUX 3 Klein", "Small and quick.", "flux-3-klein", "0.009", pictures=10),
    _model("flux-3-image", "FLUX 3", "The newest; up to 4K.", "flux-3", "0.048", pictures=10, seed=False, side=6400),
    _model("flux-2-pro", "FLUX.2 Pro", "Draws and edits with up to 8 pictures.", "flux-2", "0.03", "0.015"),
    _model("flux-2-max", "FLUX.2 Max", "The finest of its family.", "flux-2", "0.07", "0.03"),
    _model("flux-2-flex", "FLUX.2 Flex", "With steps and guidance.", "flux-2", "0.06", "0.06", tuned=True),
    _model("flux-2-klein-4b", "FLUX.2 Klein 4B", "Small and cheap.", "flux-2", "0.014", "0.001", pictures=4),
    _model("flux-2-klein-9b", "FLUX.2 Klein 9B", "Small, a little finer.", "flux-2", "0.015", "0.002", pictures=4),
    _model("flux-kontext-pro", "FLUX Kontext Pro", "Edits with words.", "kontext", "0.04", pictures=1, flat=True),
    _model("flux-kontext-max", "FLUX Kontext Max", "Edits, finer.", "kontext", "0.08", pictures=1, flat=True),
    _model("flux-pro-1.1", "FLUX 1.1 Pro", "The one before.", "pro", "0.04", pictures=1, side=1440, flat=True),
    _model("flux-pro-1.1-ultra", "FLUX 1.1 Ultra", "4 MP at once.", "ultra", "0.06", pictures=1, flat=True),
    _model(
        "flux-pro-1.0-fill", "FLUX Fill", "Makes a masked part anew.", "fill", "0.05",
        pictures=0, tuned=True, flat=True,
    ),
    _model(
        "flux-pro-1.0-expand", "FLUX Expand", "Grows a picture at its edges; the rest must be kept.", "expand", "0.05",
        pictures=0, tuned=True, flat=True,
    ),
)  # fmt: skip
