"""A provider's typed models: identity, capabilities and limits. The UI's model list is made from them.

A provider with settings of its own (scheduler, price table) subclasses `ImageModel`; all of this stays valid for it.
"""

import re
from dataclasses import dataclass

from invokeai.app.services.image_providers.capabilities import (
    ExternalApiModelDefaultSettings,
    ExternalModelCapabilities,
    ExternalModelPanelSchema,
)

DEFAULT_SETTINGS = ExternalApiModelDefaultSettings(width=1024, height=1024, num_images=1)


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
class ImageModel:
    """A model of a provider. Sizes are pixels, `timeout_seconds` is for one call.

    `price_per_image` is decimal text in US dollars, for providers whose price is so simple; None: not known or not so.
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


@dataclass(frozen=True, kw_only=True)
class ProviderInfo:
    """What a provider is. Lower `priority` comes first when no model is named.

    `options` names what `ImageRequest.options` may hold. `needs_key`: it does nothing without one.
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
