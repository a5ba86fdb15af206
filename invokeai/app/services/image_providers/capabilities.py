"""What a cloud model can do, in the members the UI reads (`ExternalModelCapabilities` and what belongs to it).

These models are both the providers' own statement and the wire format, so a capability is written down once.
"""

from typing import Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

GenerationMode: TypeAlias = Literal["txt2img", "img2img", "inpaint"]
GENERATION_MODES: frozenset[str] = frozenset(get_args(GenerationMode))
PictureMode: TypeAlias = Literal["upscale", "remove_background"]
ImageMode: TypeAlias = Literal[GenerationMode, PictureMode]
"""Generation, or work on one given picture, which the UI has no word for."""
MaskFormat: TypeAlias = Literal["alpha", "binary", "none"]
PanelControlName: TypeAlias = Literal["reference_images", "dimensions", "seed"]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ExternalImageSize(_Closed):
    """Width and height in pixels."""

    width: PositiveInt
    height: PositiveInt


class ExternalResolutionPreset(_Closed):
    """One entry of the UI's resolution list: `image_size` is the provider's own word for the size (`1K`, `2K`)."""

    label: str = Field(min_length=1)
    aspect_ratio: str = Field(min_length=1)
    image_size: str = Field(min_length=1)
    width: PositiveInt
    height: PositiveInt


class ExternalModelCapabilities(_Closed):
    """What a model accepts. A request is checked against it before anything is sent."""

    modes: list[ImageMode] = ["txt2img"]
    supports_reference_images: bool = False
    supports_negative_prompt: bool = True
    supports_seed: bool = False
    supports_guidance: bool = False
    supports_steps: bool = False
    max_images_per_request: PositiveInt | None = None
    max_image_size: ExternalImageSize | None = None
    allowed_aspect_ratios: list[str] | None = None
    aspect_ratio_sizes: dict[str, ExternalImageSize] | None = None
    resolution_presets: list[ExternalResolutionPreset] | None = None
    max_reference_images: PositiveInt | None = None
    mask_format: MaskFormat = "none"
    input_image_required_for: list[GenerationMode] | None = None


class ExternalApiModelDefaultSettings(_Closed):
    """What a model is used with when the user says nothing."""

    width: PositiveInt | None = None
    height: PositiveInt | None = None
    num_images: PositiveInt | None = None


class ExternalModelPanelControl(_Closed):
    """One control of the UI's generation panel and its limits."""

    name: PanelControlName
    slider_min: float | None = None
    slider_max: float | None = None
    number_input_min: float | None = None
    number_input_max: float | None = None
    fine_step: float | None = None
    coarse_step: float | None = None
    marks: list[float] | None = None


class ExternalModelPanelSchema(_Closed):
    """Which controls the UI shows for a model, per part of the panel."""

    prompts: list[ExternalModelPanelControl] = Field(default_factory=list)
    image: list[ExternalModelPanelControl] = Field(default_factory=list)
    generation: list[ExternalModelPanelControl] = Field(default_factory=list)
