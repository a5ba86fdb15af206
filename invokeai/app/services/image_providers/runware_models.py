"""Runware's models as of November 2026: what each takes, and prices seen. Unknown prices stay unknown."""

from __future__ import annotations

from dataclasses import dataclass

from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    ExternalModelPanelControl,
    ExternalModelPanelSchema,
    GenerationMode,
)
from invokeai.app.services.image_providers.image_model import ImageModel

MAX_IMAGES = 4
MEGAPIXEL = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class RunwareModelConfig(ImageModel):
    """A model with what it is sent when the user says nothing. Sides are multiples of `side_step` pixels.

    `prices`: pixels and US dollars a picture of at most so many, smallest first; beyond the last they grow with the
    pixels. Runware bills computing time, so they are the upper end of what was seen, and an estimate only.
    """

    steps: int | None = None
    guidance: float | None = None
    max_steps: int = 50
    max_guidance: float = 20.0
    side_step: int = 64
    acceleration: str | None = None
    prices: tuple[tuple[int, str], ...] = ()


def _capabilities(
    modes: list[GenerationMode], *, references: int = 0, max_side: int = 2048, seed: bool = True, tuned: bool = True
) -> ExternalModelCapabilities:
    return ExternalModelCapabilities(
        modes=modes,
        supports_reference_images=references > 0,
        max_reference_images=references or None,
        supports_negative_prompt=tuned,
        supports_seed=seed,
        supports_guidance=tuned,
        supports_steps=tuned,
        max_images_per_request=MAX_IMAGES,
        max_image_size=ExternalImageSize(width=max_side, height=max_side),
        mask_format="binary" if "inpaint" in modes else "none",
        input_image_required_for=[mode for mode in modes if mode != "txt2img"] or None,
    )


def _panel(*, references: bool = False, seed: bool = True) -> ExternalModelPanelSchema:
    return ExternalModelPanelSchema(
        prompts=[ExternalModelPanelControl(name="reference_images")] if references else [],
        image=[
            ExternalModelPanelControl(name="dimensions"),
            *([ExternalModelPanelControl(name="seed")] if seed else []),
        ],
    )


def _flux1(
    model_id: str, name: str, description: str, steps: int, guidance: float, price: str | None, max_steps: int = 50
) -> RunwareModelConfig:
    return RunwareModelConfig(
        model_id=model_id,
        name=name,
        description=description,
        capabilities=_capabilities(["txt2img", "img2img", "inpaint"]),
        panel_schema=_panel(),
        supports_strength=True,
        min_side=128,
        steps=steps,
        guidance=guidance,
        max_steps=max_steps,
        prices=((MEGAPIXEL, price),) if price else (),
    )


MODELS: tuple[RunwareModelConfig, ...] = (
    _flux1("rundiffusion:130@100", "Juggernaut Pro Flux", "Photographs, the finest of its family.", 33, 3.0, "0.038"),
    _flux1("rundiffusion:110@101", "Juggernaut Lightning Flux", "Photographs in a few steps.", 6, 3.0, "0.0017"),
    _flux1("runware:101@1", "FLUX.1 dev (Runware)", "An all-rounder.", 28, 3.5, "0.0038", 100),
    _flux1("runware:100@1", "FLUX.1 schnell (Runware)", "Drafts in four steps.", 4, 1.0, None),
    RunwareModelConfig(
        model_id="runware:97@3",
        name="HiDream I1 Fast",
        description="From words only; it takes no pictures.",
        capabilities=_capabilities(["txt2img"]),
        panel_schema=_panel(),
        min_side=128,
        steps=16,
        guidance=1.0,
    ),
    RunwareModelConfig(
        model_id="runware:400@4",
        name="FLUX.2 klein 4B (Runware)",
        description="Fast, edits by up to four reference pictures.",
        capabilities=_capabilities(["txt2img"], references=4),
        panel_schema=_panel(references=True),
        min_side=128,
        steps=4,
        guidance=3.5,
        acceleration="none",
    ),
    RunwareModelConfig(
        model_id="bfl:flux@3-image-klein",
        name="FLUX.3 Image Klein",
        description="New and cheap, up to 4096 pixels a side.",
        capabilities=_capabilities(["txt2img"], references=4, max_side=4096, seed=False, tuned=False),
        panel_schema=_panel(references=True, seed=False),
        min_side=512,
        prices=((512 * 512, "0.003"), (MEGAPIXEL, "0.006"), (4 * MEGAPIXEL, "0.0179"), (16 * MEGAPIXEL, "0.101")),
    ),
)
