"""Seedream's models as BytePlus lists them in November 2026: sizes, prices, and the fields that each refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from invokeai.app.services.image_providers.capabilities import (
    ExternalApiModelDefaultSettings,
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
    ExternalResolutionPreset,
)
from invokeai.app.services.image_providers.image_model import ImageModel

Size = tuple[int, int]
RATIOS = ("1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9")


def _sizes(text: str) -> tuple[Size, ...]:
    return tuple((int(width), int(height)) for width, _, height in (size.partition("x") for size in text.split()))


SMALL_2K = _sizes("2048x2048 2304x1728 1728x2304 2720x1530 1530x2720 2496x1664 1664x2496 3024x1296")
"""For models that stop at 2048² pixels."""
SIZES = {
    "1K": _sizes("1024x1024 1152x864 864x1152 1280x720 720x1280 1248x832 832x1248 1512x648"),
    "2K": _sizes("2048x2048 2304x1728 1728x2304 2848x1600 1600x2848 2496x1664 1664x2496 3136x1344"),
    "3K": _sizes("3072x3072 3456x2592 2592x3456 4096x2304 2304x4096 3744x2496 2496x3744 4704x2016"),
    "4K": _sizes("4096x4096 4704x3520 3520x4704 5504x3040 3040x5504 4992x3328 3328x4992 6240x2656"),
}
"""Width and height of each of the ratios, by the service's own word."""
ONE_K, TWO_K, THREE_K, FOUR_K = 1280 * 720, 2560 * 1440, 10_404_496, 4096 * 4096
MOST_REFERENCES = 14


@dataclass(frozen=True, kw_only=True)
class SeedreamModel(ImageModel):
    """`pixels`: the least and the most a picture has in all. `words`: the sizes that have a name.

    `png`: takes `output_format`. `series`: takes `sequential_image_generation`, which others refuse whatever it says.
    `reference_price`: of each input picture but the first, in US dollars.
    """

    pixels: tuple[int, int]
    words: tuple[str, ...]
    png: bool = True
    series: bool = False
    reference_price: str = "0"


def _presets(words: tuple[str, ...], most: int) -> list[ExternalResolutionPreset]:
    return [
        ExternalResolutionPreset(
            label=f"{ratio} ({word}, {width}×{height})", aspect_ratio=ratio, image_size=word, width=width, height=height
        )
        for word in words
        for ratio, (width, height) in zip(
            RATIOS, SMALL_2K if word == "2K" and most == 2048 * 2048 else SIZES[word], strict=True
        )
        if width * height <= most
    ]


def _model(
    model_id: str,
    name: str,
    description: str,
    price: str,
    words: tuple[str, ...],
    pixels: tuple[int, int],
    *,
    references: int = MOST_REFERENCES,
    png: bool = True,
    series: bool = False,
    reference_price: str = "0",
) -> SeedreamModel:
    presets = _presets(words, pixels[1])
    usual = presets[0]
    return SeedreamModel(
        model_id=model_id,
        name=name,
        description=description,
        capabilities=ExternalModelCapabilities(
            modes=["txt2img", "img2img"],
            supports_reference_images=True,
            supports_negative_prompt=False,
            max_images_per_request=1,
            resolution_presets=presets,
            max_image_size=ExternalImageSize(width=6240, height=6240),
            max_reference_images=references,
            input_image_required_for=["img2img"],
        ),
        default_settings=ExternalApiModelDefaultSettings(width=usual.width, height=usual.height, num_images=1),
        panel_schema=ExternalModelPanelSchema(
            prompts=[ExternalModelPanelControl(name="reference_images")],
            image=[ExternalModelPanelControl(name="dimensions")],
        ),
        price_per_image=price,
        pixels=pixels,
        words=words,
        png=png,
        series=series,
        reference_price=reference_price,
    )


MODELS = (
    _model(
        "seedream-5-0-260128", "Seedream 5.0 Lite", "Quick, up to 3K; takes after many pictures.",
        "0.035", ("2K", "3K"), (TWO_K, THREE_K), series=True,
    ),
    _model(
        "dola-seedream-5-0-flash-260915", "Seedream 5.0 Flash", "The cheapest; good at layouts and text.",
        "0.018", ("1K", "2K"), (ONE_K, 2048 * 2048), references=10,
    ),
    _model(
        "dola-seedream-5-0-pro-260628", "Seedream 5.0 Pro", "The finest and the slowest, about two minutes.",
        "0.09", ("1K", "2K"), (ONE_K, 2048 * 2048), references=10, reference_price="0.003",
    ),
    _model(
        "seedream-4-5-251128", "Seedream 4.5", "Up to 4K; keeps to its input pictures.",
        "0.04", ("2K", "4K"), (TWO_K, FOUR_K), png=False, series=True,
    ),
    _model(
        "seedream-4-0-250828", "Seedream 4.0", "The one before; from 1K to 4K.",
        "0.03", ("1K", "2K", "4K"), (ONE_K, FOUR_K), png=False, series=True,
    ),
)  # fmt: skip


def model_like(model_id: str) -> SeedreamModel | None:
    """A model that is not listed: another date or region of a known one, else one whose limits only Ark knows."""
    for model in MODELS:
        if _stem(model_id) == _stem(model.model_id):
            return replace(model, model_id=model_id, name=model_id)
    if not model_id.startswith("ep-") and "seedream" not in model_id:
        return None
    known = MODELS[0]
    capabilities = known.capabilities.model_copy(update={"resolution_presets": None})
    return replace(
        known, model_id=model_id, name=model_id, price_per_image=None, pixels=(1, FOUR_K), series=False, png=False,
        capabilities=capabilities,
    )  # fmt: skip


def _stem(model_id: str) -> str:
    """The name without region and date."""
    return re.sub(r"^(dola-|doubao-)|(-lite)?(-\d{6})$", "", model_id)
