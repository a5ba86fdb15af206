"""Gemini's picture models as of 21 November 2026: what each can do, in which sizes, and its prices.

Sizes name a class (1K, 2K, 4K) and an aspect ratio; the pixels are those of that class, and the file tells the truth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from invokeai.app.services.image_providers.capabilities import (
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
    ExternalResolutionPreset,
)
from invokeai.app.services.image_providers.image_model import ImageModel

MAX_PICTURES = 14
SIZE_FACTORS = {"512": Decimal("0.5"), "1K": Decimal(1), "2K": Decimal(2), "4K": Decimal(4)}
PIXELS = {
    "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896),
    "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
    "1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384),
}  # fmt: skip
"""Width and height of the 1K class by aspect ratio."""
TEN_RATIOS = tuple(PIXELS)[:10]
ALL_RATIOS = tuple(PIXELS)
RATIO_TOLERANCE = 0.03
"""How far a size may be from its aspect ratio; neighbours are 6 % apart or more."""
THOUGHT_TOKENS = {"minimal": 300, "medium": 1000, "high": 3000}
"""Guesses on the high side, for estimates alone."""
PICTURE_IN_TOKENS = 1120


@dataclass(frozen=True, kw_only=True)
class GeminiModelConfig(ImageModel):
    """A model with its prices in US dollars per million tokens; no prices: not known.

    `size_tokens`: what a picture of each class counts. `thinking`: the levels it can be told, the first is its own.
    `names_size`: the class is sent; the oldest model knows none.
    """

    text_in: str | None = None
    text_out: str | None = None
    image_out: str | None = None
    ratios: tuple[str, ...] = ALL_RATIOS
    size_tokens: tuple[tuple[str, int], ...] = (("1K", 1120), ("2K", 1680), ("4K", 2520))
    thinking: tuple[str, ...] = ()
    names_size: bool = True

    @property
    def sizes(self) -> tuple[str, ...]:
        """The size classes, smallest first."""
        return tuple(name for name, _ in self.size_tokens)

    def pixels(self, size: str, ratio: str) -> tuple[int, int]:
        """Width and height of a class in an aspect ratio."""
        width, height = PIXELS[ratio]
        return int(width * SIZE_FACTORS[size]), int(height * SIZE_FACTORS[size])

    def choice(self, width: int, height: int, size: str | None) -> tuple[str, str] | None:
        """Aspect ratio and class for a size in pixels: the smallest class that is large enough; None: there is none."""
        wanted = width / height
        ratio = min(self.ratios, key=lambda name: abs(PIXELS[name][0] / PIXELS[name][1] / wanted - 1))
        near = min(abs(_share(ratio) / wanted - 1), abs(PIXELS[ratio][0] / PIXELS[ratio][1] / wanted - 1))
        if near > RATIO_TOLERANCE:
            return None
        if size is not None:
            return (ratio, size) if size in self.sizes else None
        return next(((ratio, name) for name in self.sizes if _holds(self.pixels(name, ratio), width * height)), None)


def _share(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return int(width) / int(height)


def _holds(pixels: tuple[int, int], wanted: int) -> bool:
    return pixels[0] * pixels[1] * (1 + RATIO_TOLERANCE) >= wanted


def _model(model_id: str, name: str, description: str, model: GeminiModelConfig) -> GeminiModelConfig:
    presets = [
        ExternalResolutionPreset(
            label=f"{ratio} ({size})", aspect_ratio=ratio, image_size=size, width=width, height=height
        )
        for size in sorted(model.sizes, key=lambda size: (size != "1K", SIZE_FACTORS[size]))
        for ratio in model.ratios
        for width, height in [model.pixels(size, ratio)]
    ]
    capabilities = model.capabilities.model_copy(
        update={"allowed_aspect_ratios": list(model.ratios), "resolution_presets": presets}
    )
    return replace(model, model_id=model_id, name=name, description=description, capabilities=capabilities)


_BASE = GeminiModelConfig(
    model_id="",
    name="",
    description="",
    capabilities=ExternalModelCapabilities(
        modes=["txt2img", "img2img"],
        supports_reference_images=True,
        supports_negative_prompt=False,
        supports_seed=True,
        max_images_per_request=1,
        max_reference_images=MAX_PICTURES,
        input_image_required_for=["img2img"],
    ),
    panel_schema=ExternalModelPanelSchema(
        prompts=[ExternalModelPanelControl(name="reference_images")],
        image=[ExternalModelPanelControl(name="dimensions")],
    ),
)
_BANANA = replace(_BASE, text_in="1.50", text_out="7.50", image_out="30", thinking=("medium", "minimal", "high"))
_LITE = replace(
    _BASE, text_in="0.25", text_out="1.50", image_out="30", thinking=("minimal", "high"), ratios=TEN_RATIOS,
    size_tokens=(("1K", 1120),),
)  # fmt: skip
_PRO = replace(
    _BASE, text_in="2", text_out="12", image_out="120", ratios=TEN_RATIOS,
    size_tokens=(("1K", 1120), ("2K", 1120), ("4K", 2000)),
)  # fmt: skip
_FLASH = replace(
    _BASE, text_in="0.50", text_out="3", image_out="60", thinking=("minimal", "high"),
    size_tokens=(("512", 747), *_BASE.size_tokens),
)  # fmt: skip
_FIRST = replace(
    _BASE, text_in="0.30", text_out="2.50", image_out="30", ratios=TEN_RATIOS, size_tokens=(("1K", 1290),),
    names_size=False,
)  # fmt: skip

MODELS = (
    _model("gemini-nano-banana-2.1", "Nano Banana 2.1", "Makes and edits pictures as told; up to 4K.", _BANANA),
    _model("gemini-3-pro-image", "Nano Banana Pro", "The finest of the family; thinks first; up to 4K.", _PRO),
    _model("gemini-3.1-flash-lite-image", "Nano Banana 2 Lite", "Quick; about one megapixel.", _LITE),
)
RETIRED = (
    _model("gemini-3.1-flash-image", "Nano Banana 2", "Shut down by Google on 29 October 2026.", _FLASH),
    _model("gemini-2.5-flash-image", "Nano Banana", "Shut down by Google on 2 October 2026.", _FIRST),
)
"""Not listed; resellers may still serve them at a base URL of their own."""
_PICTURE_MODEL = re.compile(r"gemini-[a-z0-9.-]*(image|banana)[a-z0-9.-]*")


def known_model(model_id: str) -> GeminiModelConfig | None:
    """The entry of the tables: by its id, or by a dated name of it."""
    entries = (*MODELS, *RETIRED)
    exact = next((model for model in entries if model.model_id == model_id), None)
    return exact or next((m for m in entries if re.fullmatch(rf"{re.escape(m.model_id)}-[0-9-]+", model_id)), None)


def later_model(model_id: str) -> GeminiModelConfig | None:
    """A picture model that is not listed: as its entry, else with the newest one's limits and no price."""
    known = known_model(model_id)
    if known is not None:
        return replace(known, model_id=model_id)
    if not _PICTURE_MODEL.fullmatch(model_id):
        return None
    return replace(
        MODELS[0], model_id=model_id, name=model_id, description="Not listed here; Google may know it.", text_in=None,
        text_out=None, image_out=None, thinking=(),
    )  # fmt: skip
