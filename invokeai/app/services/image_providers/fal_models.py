"""fal's models, the address that does each of their modes, and what each address takes and costs.

Prices are US dollars of November 2026, from https://fal.ai/models/{address}/llms.txt; each picture's begun megapixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from invokeai.app.services.image_providers.aspect_ratios import size_in
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
RATIOS = ("21:9", "16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16", "9:21")
Range: TypeAlias = tuple[float, float]
NO_REWRITING = {"enable_prompt_expansion": False}


@dataclass(frozen=True, kw_only=True)
class FalEndpoint:
    """An address and what it takes.

    `price` is of a picture, or of its begun megapixels; `inputs_cost`: those of given pictures cost as much. `strength`
    is sent where none was asked for; 0: the address takes none. `size`: it is told pixels, a ratio, or has the
    picture's. `pictures` and `mask` name their members. `tolerance`: moderation by degrees, else a checker that is on
    or off, or none. `fixed`: what it would decide by itself.
    """

    path: str
    price: str
    by: Literal["megapixel", "picture"] = "megapixel"
    inputs_cost: bool = False
    steps: Range | None = None
    guidance: Range | None = None
    strength: float = 0
    size: Literal["pixels", "ratio", "picture"] = "pixels"
    pictures: Literal["", "image_url", "image_urls"] = ""
    mask: str = ""
    tolerance: bool = False
    checker: bool = True
    accelerates: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def cost(self, request: ImageRequest) -> str:
        """What the request costs by the list."""
        if self.by == "picture":
            return str(Decimal(self.price) * request.num_images)
        given = request.input_pictures if self.inputs_cost else []
        sizes = [(request.width, request.height), *(picture.size for picture in given)]
        begun = sum(-(-width * height // MEGAPIXEL) for width, height in sizes)
        return str(Decimal(self.price) * begun * request.num_images)


@dataclass(frozen=True, kw_only=True)
class FalModelConfig(ImageModel):
    """A model by its addresses: for words alone, for one picture given, for several, and for a picture with a mask."""

    words: FalEndpoint | None = None
    picture: FalEndpoint | None = None
    several: FalEndpoint | None = None
    masked: FalEndpoint | None = None

    def endpoint(self, request: ImageRequest) -> FalEndpoint:
        """The address for a request; in a mode that the model has not, one of its others, as an estimate needs it."""
        given = len(request.input_pictures)
        chosen = (
            self.masked if request.mode == "inpaint"
            else self.words if given == 0
            else self.picture if given == 1 and self.picture else self.several
        )  # fmt: skip
        return chosen or next(end for end in (self.words, self.picture, self.several, self.masked) if end)


def _model(
    model_id: str, name: str, description: str, *, references: int = 0, most: int = 2048, least: int = 256,
    **ends: Any,
) -> FalModelConfig:  # fmt: skip
    modes: list[GenerationMode] = ["txt2img"] if "words" in ends else []
    modes += ["img2img"] if "picture" in ends or "several" in ends else []
    modes += ["inpaint"] if "masked" in ends else []
    every: list[FalEndpoint] = list(ends.values())
    by_ratio = any(end.size == "ratio" for end in every)
    sizes = {ratio: size_in(ratio, 1024) for ratio in RATIOS}
    controls = [ExternalModelPanelControl(name="dimensions"), ExternalModelPanelControl(name="seed")]
    prompts = [ExternalModelPanelControl(name="reference_images")] if references else []
    return FalModelConfig(
        model_id=model_id,
        name=name,
        description=description,
        min_side=least,
        supports_strength=any(end.strength for end in every),
        capabilities=ExternalModelCapabilities(
            modes=[*modes],
            supports_reference_images=references > 0,
            max_reference_images=references or None,
            supports_negative_prompt=False,
            supports_seed=True,
            supports_steps=any(end.steps for end in every),
            supports_guidance=any(end.guidance for end in every),
            max_images_per_request=4,
            max_image_size=ExternalImageSize(width=most, height=most),
            allowed_aspect_ratios=list(RATIOS) if by_ratio else None,
            aspect_ratio_sizes=(
                {ratio: ExternalImageSize(width=w, height=h) for ratio, (w, h) in sizes.items()} if by_ratio else None
            ),
            mask_format="binary" if "masked" in ends else "none",
            input_image_required_for=[mode for mode in modes if mode != "txt2img"] or None,
        ),
        panel_schema=ExternalModelPanelSchema(prompts=prompts, image=controls),
        **ends,
    )


def _worker(
    path: str, name: str, description: str, price: str, mode: PictureMode, work: PictureWork, **end: Any
) -> FalModelConfig:  # fmt: skip
    able = work.words != "none"
    return FalModelConfig(
        model_id=path, name=name, description=description, work=work, supports_strength=able,
        capabilities=ExternalModelCapabilities(
            modes=[mode], supports_negative_prompt=able, supports_seed=able, max_images_per_request=1
        ),
        picture=FalEndpoint(path=path, price=price, size="picture", pictures="image_url", **end),
    )  # fmt: skip


def _flux(path: str, price: str, steps: Range, **more: Any) -> FalEndpoint:
    return FalEndpoint(path=path, price=price, steps=steps, guidance=(1, 20), **more)


def _z_image(path: str, price: str, **more: Any) -> FalEndpoint:
    return FalEndpoint(path=path, price=price, steps=(1, 8), accelerates=True, fixed=NO_REWRITING, **more)


def _flux_2(path: str, **more: Any) -> FalEndpoint:
    return FalEndpoint(
        path=path, price="0.012", steps=(4, 50), guidance=(0, 20), accelerates=True, fixed=NO_REWRITING, **more
    )  # fmt: skip


def _kontext(kind: str, name: str, price: str) -> FalModelConfig:
    base = f"fal-ai/flux-pro/kontext{kind}"
    shared: dict[str, Any] = {
        "price": price, "by": "picture", "guidance": (1, 20), "size": "ratio", "tolerance": True,
        "fixed": {"enhance_prompt": False},
    }  # fmt: skip
    return _model(
        base, name, "Edits with words, and draws after up to four pictures.", references=4,
        words=FalEndpoint(path=f"{base}/text-to-image", **shared),
        picture=FalEndpoint(path=base, pictures="image_url", **shared),
        several=FalEndpoint(path=f"{base}/multi", pictures="image_urls", **shared),
    )  # fmt: skip


DEV_STRENGTH = 0.8
"""fal's own is 0.95, of which little of the picture is left."""
MODELS = (
    _model(
        "fal-ai/flux/schnell", "FLUX.1 Schnell", "Quick and cheap.",
        words=_flux("fal-ai/flux/schnell", "0.003", (1, 12), accelerates=True),
    ),
    _model(
        "fal-ai/flux/dev", "FLUX.1 Dev", "Finer, with more steps; also from a picture and under a mask.",
        words=_flux("fal-ai/flux/dev", "0.025", (1, 50), accelerates=True),
        picture=_flux(
            "fal-ai/flux/dev/image-to-image", "0.03", (10, 50), strength=DEV_STRENGTH, size="picture",
            pictures="image_url", accelerates=True,
        ),
        masked=FalEndpoint(
            path="fal-ai/flux-lora/inpainting", price="0.035", steps=(1, 50), guidance=(0, 35), strength=0.85,
            pictures="image_url", mask="mask_url",
        ),
    ),
    _model(
        "fal-ai/flux-2", "FLUX.2 Dev", "Draws and edits with up to four pictures.", references=4, least=512,
        words=_flux_2("fal-ai/flux-2"),
        several=_flux_2("fal-ai/flux-2/edit", inputs_cost=True, pictures="image_urls"),
    ),
    _model(
        "fal-ai/z-image/turbo", "Z-Image Turbo (fal)", "Small and fast; also from a picture and under a mask.",
        words=_z_image("fal-ai/z-image/turbo", "0.005"),
        picture=_z_image("fal-ai/z-image/turbo/image-to-image", "0.005", strength=0.6, pictures="image_url"),
        masked=_z_image(  # its price is not told; that of the dearest address beside it
            "fal-ai/z-image/turbo/inpaint", "0.01", strength=1.0, pictures="image_url", mask="mask_image_url",
        ),
    ),
    _kontext("", "FLUX.1 Kontext Pro", "0.04"),
    _kontext("/max", "FLUX.1 Kontext Max", "0.08"),
    _model(
        "fal-ai/flux-pro/v1/fill", "FLUX.1 Fill Pro", "Makes a masked part anew.",
        masked=FalEndpoint(
            path="fal-ai/flux-pro/v1/fill", price="0.05", size="picture", pictures="image_url", mask="mask_url",
            tolerance=True, fixed={"enhance_prompt": False},
        ),
    ),
    _model(
        "rundiffusion-fal/juggernaut-flux/pro", "Juggernaut Pro FLUX (fal)", "Photographs; also from a picture.",
        words=_flux("rundiffusion-fal/juggernaut-flux/pro", "0.055", (1, 50)),
        picture=_flux(
            "rundiffusion-fal/juggernaut-flux/pro/image-to-image", "0.055", (10, 50), strength=DEV_STRENGTH,
            size="picture", pictures="image_url",
        ),
    ),
    _worker(
        "fal-ai/clarity-upscaler", "Clarity Upscaler (fal)", "Enlarges and invents detail, with or without words.",
        "0.03", "upscale", PictureWork(scales=(1, 4), any_scale=True, usual_scale=2, words="optional"),
    ),
    _worker(
        "fal-ai/bria/background/remove", "Bria RMBG 2.0 (fal)", "Removes the background.", "0.018",
        "remove_background", PictureWork(), by="picture", checker=False,
    ),
)  # fmt: skip
