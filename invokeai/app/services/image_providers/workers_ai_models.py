"""Cloudflare's picture models as of 21 November 2026: the body each one wants, its limits and its price in neurons.

Prices count tiles of 512 × 512 pixels. Where the price page is silent the figure is set so that it is not too low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from invokeai.app.services.image_providers.capabilities import (
    ExternalImageSize,
    ExternalModelCapabilities,
    GenerationMode,
)
from invokeai.app.services.image_providers.image_model import ImageModel

BodyKind = Literal["json", "multipart"]
TILE = 512
NEURON = Decimal("0.000011")
"""US dollars."""
MAX_REFERENCES = 4


@dataclass(frozen=True, kw_only=True)
class WorkersAiModelConfig(ImageModel):
    """A model, the body it wants and its price.

    `steps_name`: the member for steps, None: it has none. `usual_steps` are those it makes by itself. `neurons`: of an
    output tile, of an output tile and step, and of an input tile. `sizes`: it is told width and height.
    """

    body: BodyKind = "json"
    sizes: bool = True
    steps_name: str | None = None
    steps_range: tuple[int, int] = (1, 20)
    usual_steps: int = 20
    guidance_range: tuple[float, float] = (0, 30)
    max_prompt: int | None = None
    neurons: tuple[str, str, str] = ("0", "0", "0")

    def price(self, width: int, height: int, steps: int | None, inputs: int) -> Decimal:
        """What a picture costs in US dollars, the free allocation of the day left aside."""
        tiles = -(-width // TILE) * -(-height // TILE)
        tile, tile_step, input_tile = map(Decimal, self.neurons)
        return (tiles * (tile + tile_step * (steps or self.usual_steps)) + inputs * input_tile) * NEURON


def _model(
    model_id: str,
    name: str,
    description: str,
    *,
    modes: Sequence[GenerationMode] = ("txt2img",),
    side: int = 2048,
    can: dict[str, Any] | None = None,
    **values: Any,
) -> WorkersAiModelConfig:
    required = [mode for mode in modes if mode != "txt2img"]
    capabilities = ExternalModelCapabilities(
        modes=list(modes),
        supports_negative_prompt=False,
        max_images_per_request=1,
        max_image_size=ExternalImageSize(width=side, height=side),
        mask_format="binary" if "inpaint" in modes else "none",
        input_image_required_for=required or None,
    ).model_copy(update=can or {})
    return WorkersAiModelConfig(
        model_id=model_id, name=name, description=description, capabilities=capabilities, **values
    )


_FLUX_2: dict[str, Any] = {
    "modes": ("txt2img", "img2img"),
    "side": 1920,
    "min_side": 256,
    "body": "multipart",
    "can": {
        "supports_seed": True,
        "supports_guidance": True,
        "supports_reference_images": True,
        "max_reference_images": MAX_REFERENCES,
    },
}
_STABLE: dict[str, Any] = {
    "min_side": 256,
    "steps_name": "num_steps",
    "can": {
        "supports_seed": True,
        "supports_guidance": True,
        "supports_steps": True,
        "supports_negative_prompt": True,
    },
}
_SQUARE = ExternalImageSize(width=1024, height=1024)
SHRUNK = "Pictures given are sent with sides below 512 pixels."

MODELS = (
    _model(
        "black-forest-labs/flux-2-klein-4b", "FLUX.2 klein 4B (Cloudflare)", f"Quick and cheap. {SHRUNK}",
        neurons=("26.1", "0", "5.4"), **_FLUX_2,
    ),
    _model(
        "black-forest-labs/flux-1-schnell", "FLUX.1 schnell (Cloudflare)", "Quick; 1024×1024 alone.", side=1024,
        min_side=1024, sizes=False, steps_name="steps", steps_range=(1, 8), usual_steps=4, max_prompt=2048,
        neurons=("4.80", "9.60", "0"),
        can={
            "supports_steps": True, "allowed_aspect_ratios": ["1:1"], "aspect_ratio_sizes": {"1:1": _SQUARE},
        },
    ),
    _model(
        "black-forest-labs/flux-2-klein-9b", "FLUX.2 klein 9B (Cloudflare)", f"The finer klein. {SHRUNK}",
        neurons=("341", "0", "341"), **_FLUX_2,
    ),
    _model(
        "black-forest-labs/flux-2-dev", "FLUX.2 dev (Cloudflare)", f"The finest here, and the dearest. {SHRUNK}",
        neurons=("0", "75", "1875"), steps_name="steps", steps_range=(1, 50), usual_steps=25,
        **{**_FLUX_2, "can": {**_FLUX_2["can"], "supports_steps": True}},
    ),
    _model(
        "leonardo/lucid-origin", "Lucid Origin (Cloudflare)", "Follows prompts closely and draws text.", side=2500,
        steps_name="num_steps", steps_range=(1, 40), usual_steps=40, guidance_range=(0, 10),
        neurons=("636.4", "12", "0"),
        can={"supports_seed": True, "supports_guidance": True, "supports_steps": True},
    ),
    _model(
        "leonardo/phoenix-1.0", "Phoenix 1.0 (Cloudflare)", "Coherent pictures; takes a negative prompt.",
        steps_range=(1, 50), usual_steps=25, guidance_range=(2, 10), neurons=("530", "10", "0"),
        **{**_STABLE, "min_side": 1},
    ),
    _model(
        "stabilityai/stable-diffusion-xl-base-1.0", "SDXL (Cloudflare)", "Stable Diffusion XL; free while in beta.",
        **_STABLE,
    ),
    _model(
        "bytedance/stable-diffusion-xl-lightning", "SDXL Lightning (Cloudflare)", "Quick SDXL; free while in beta.",
        **_STABLE,
    ),
    _model(
        "lykon/dreamshaper-8-lcm", "DreamShaper 8 LCM (Cloudflare)", "Photographic; free while in beta.", **_STABLE
    ),
    _model(
        "runwayml/stable-diffusion-v1-5-img2img", "SD 1.5 image to image (Cloudflare)", "Free while in beta.",
        modes=("img2img",), supports_strength=True, **_STABLE,
    ),
    _model(
        "runwayml/stable-diffusion-v1-5-inpainting", "SD 1.5 inpainting (Cloudflare)", "Free while in beta.",
        modes=("inpaint",), supports_strength=True, **_STABLE,
    ),
)  # fmt: skip
