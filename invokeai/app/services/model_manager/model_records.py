"""Records of models as the UI reads and changes them.

`ExternalApiModelConfig` is a provider's model; `LocalModelConfig` is what a server with local models lists beside it.
"""

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from invokeai.app.services.image_providers.capabilities import (
    ExternalApiModelDefaultSettings,
    ExternalModelCapabilities,
    ExternalModelPanelSchema,
)
from invokeai.app.services.model_manager.taxonomy import BaseModelType, ModelType


class _Lazy(BaseModel):
    model_config = ConfigDict(defer_build=True, protected_namespaces=())


class ModelDefaultSettings(_Lazy):
    """Default settings of any kind of model; members that a kind does not have are left out."""

    vae: str | None = None
    vae_precision: str | None = None
    scheduler: str | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    cfg_rescale_multiplier: float | None = None
    width: int | None = None
    height: int | None = None
    guidance: float | None = None
    num_images: int | None = None
    cpu_only: bool | None = None
    fp8_storage: bool | None = None
    preprocessor: str | None = None
    weight: float | None = None
    weight_min: float | None = None
    weight_max: float | None = None


class ExternalApiModelConfig(_Lazy):
    """A model of a provider."""

    key: str
    hash: str
    path: str
    file_size: int = 0
    name: str
    description: str | None = None
    source: str
    source_type: Literal["path", "url", "hf_repo_id", "external"] = "external"
    source_api_response: str | None = None
    source_url: str | None = None
    cover_image: str | None = None
    base: Literal["external"] = "external"
    type: Literal["external_image_generator", "spandrel_image_to_image"] = "external_image_generator"
    format: Literal["external_api"] = "external_api"
    provider_id: str
    provider_model_id: str
    capabilities: ExternalModelCapabilities
    default_settings: ExternalApiModelDefaultSettings | None = None
    panel_schema: ExternalModelPanelSchema | None = None
    tags: list[str] | None = None
    is_default: bool = False


class LocalModelConfig(_Lazy):
    """A model in files on this machine."""

    key: str
    hash: str
    path: str
    file_size: int
    name: str
    description: str | None = None
    source: str
    source_type: Literal["path", "url", "hf_repo_id", "external"]
    source_api_response: str | None = None
    source_url: str | None = None
    cover_image: str | None = None
    base: BaseModelType
    type: ModelType
    format: str
    trigger_phrases: list[str] | None = None
    default_settings: ModelDefaultSettings | None = None
    repo_variant: str = ""
    prediction_type: str = "epsilon"
    variant: str = "normal"
    submodels: dict[str, Any] | None = None
    has_dual_expert: bool = False
    boundary_ratio: float | None = None
    config_path: str | None = None
    expert: str | None = None
    cpu_only: bool | None = None
    latent_channels: int = 16
    cond_in_channels: int | None = None
    image_encoder_model_id: str = ""


AnyModelConfig: TypeAlias = ExternalApiModelConfig | LocalModelConfig


class ModelsList(_Lazy):
    """Several models."""

    models: list[AnyModelConfig]


class ModelRecordChanges(_Lazy):
    """What to change of a record, or to set at installation. The UI sends back whole records; the rest is dropped."""

    model_config = ConfigDict(defer_build=False)

    source: str | None = None
    source_type: Literal["path", "url", "hf_repo_id", "external"] | None = None
    source_api_response: str | None = None
    source_url: str | None = None
    name: str | None = Field(default=None, max_length=1000)
    path: str | None = None
    description: str | None = Field(default=None, max_length=100_000)
    base: BaseModelType | None = None
    type: ModelType | None = None
    key: str | None = None
    hash: str | None = None
    file_size: int | None = None
    format: str | None = None
    trigger_phrases: list[str] | None = None
    default_settings: ModelDefaultSettings | None = None
    provider_id: str | None = None
    provider_model_id: str | None = None
    capabilities: ExternalModelCapabilities | None = None
    cpu_only: bool | None = None
    variant: str | None = None
    prediction_type: str | None = None
    upcast_attention: bool | None = None
    config_path: str | None = None
