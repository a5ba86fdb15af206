"""A provider's typed models: identity, capabilities and limits. The UI's model list is made from them.

A provider with settings of its own (scheduler, price table) subclasses `ImageModel`; all of this stays valid for it.
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from invokeai.app.services.image_providers.capabilities import (
    GENERATION_MODES,
    ExternalApiModelDefaultSettings,
    ExternalModelCapabilities,
    ExternalModelPanelSchema,
)

USUAL_SIDE = 1024
DEFAULT_SETTINGS = ExternalApiModelDefaultSettings(width=USUAL_SIDE, height=USUAL_SIDE, num_images=1)
RecordType: TypeAlias = Literal["external_image_generator", "spandrel_image_to_image"]
GENERATOR_TYPE: RecordType = "external_image_generator"
PICTURE_WORK_TYPE: RecordType = "spandrel_image_to_image"
"""The web UI's word for models that make one picture of another: upscalers and the like."""


def model_key(provider_id: str, model_id: str) -> str:
    """The key of a cloud model's record: made of characters that are safe in a URL."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{provider_id}-{model_id}").strip("-")


def model_source(provider_id: str, model_id: str) -> str:
    """The address of a cloud model, `external://provider/model`."""
    return f"external://{provider_id}/{model_id}"


def model_hash(provider_id: str, model_id: str) -> str:
    """The hash of a cloud model's record; it names the model, so a saved graph finds it again."""
    return f"external:{provider_id}:{model_id}"


@dataclass(frozen=True, kw_only=True)
class PictureWork:
    """What a model takes that works on one given picture: upscales it, or removes its background.

    `scales` may be asked for, and with `any_scale` all between the first and the last. Where none is asked for it
    enlarges by `usual_scale`, or to about `usual_pixels`. Sides and pixels are the given picture's, `most_made` the
    pixels of the result. `words`: whether it takes a prompt.
    """

    scales: tuple[float, ...] = ()
    any_scale: bool = False
    usual_scale: float = 1
    usual_pixels: int | None = None
    min_side: int = 1
    max_side: int | None = None
    min_pixels: int = 1
    max_pixels: int | None = None
    most_made: int | None = None
    words: Literal["none", "optional", "required"] = "none"

    def result_size(self, size: tuple[int, int], scale: float | None = None) -> tuple[int, int]:
        """Width and height of what becomes of a picture of `size`; about so where the model itself chooses."""
        if scale is None and self.usual_pixels is not None:
            factor = max(1.0, (self.usual_pixels / (size[0] * size[1])) ** 0.5)
        else:
            factor = self.usual_scale if scale is None else scale
        return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))

    def scale_reaching(self, scale: float) -> float | None:
        """The least scale that is at least `scale`, or `scale` itself where none is; None: it cannot be asked for."""
        if not self.scales:
            return None
        if self.any_scale:
            return max(scale, self.scales[0])
        return next((offered for offered in self.scales if offered >= scale), scale)


@dataclass(frozen=True, kw_only=True)
class ImageModel:
    """A model of a provider. Sizes are pixels, `timeout_seconds` is for one call.

    `price_per_image` is decimal text in US dollars, for providers whose price is so simple; None: not known or not so.
    `work` says what it takes in the modes that work on one given picture; None where it has no such mode.
    """

    model_id: str
    name: str
    description: str
    capabilities: ExternalModelCapabilities
    default_settings: ExternalApiModelDefaultSettings = DEFAULT_SETTINGS
    panel_schema: ExternalModelPanelSchema | None = None
    supports_strength: bool = False
    min_side: int = 1
    timeout_seconds: float = 600
    price_per_image: str | None = None
    tags: tuple[str, ...] = ()
    work: PictureWork | None = None

    @property
    def record_type(self) -> RecordType:
        """The type of its record: models that generate nothing are kept out of the UI's generation panels."""
        return GENERATOR_TYPE if GENERATION_MODES & set(self.capabilities.modes) else PICTURE_WORK_TYPE

    @property
    def usual_size(self) -> tuple[int, int]:
        """Width and height of its pictures where none were asked for."""
        return self.default_settings.width or USUAL_SIDE, self.default_settings.height or USUAL_SIDE


@dataclass(frozen=True, kw_only=True)
class ProviderInfo:
    """What a provider is. Lower `priority` comes first when no model is named.

    `options` names what `ImageRequest.options` may hold, `auto_options` those of them for which the service itself has
    the word `auto`. `needs_key`: it does nothing without one.
    """

    provider_id: str
    display_name: str
    description: str
    models: tuple[ImageModel, ...]
    default_model: str
    priority: int = 100
    is_paid: bool = True
    needs_key: bool = True
    takes_key: bool = True
    max_concurrency: int = 8
    options: frozenset[str] = frozenset()
    auto_options: frozenset[str] = frozenset()
