"""Values that name models. Members that an identifier does not know are dropped: the web UI sends whole records."""

from pydantic import Field

from invokeai.app.invocations.fields import FieldValue
from invokeai.app.services.model_manager.taxonomy import BaseModelType, ModelType, SubModelType


class ModelIdentifierField(FieldValue):
    """A model, by key; name, base and type serve for display and for finding it again by other means."""

    key: str = Field(description="Key of the model's record.")
    hash: str = Field(description="Hash of the model's files.")
    name: str = Field(description="Name of the model.")
    base: BaseModelType = Field(description="Base of the model.")
    type: ModelType = Field(description="Type of the model.")
    submodel_type: SubModelType | None = Field(default=None, description="Part of the model, if not all of it.")


class LoRAField(FieldValue):
    """A LoRA and its weight."""

    lora: ModelIdentifierField = Field(description="The LoRA.")
    weight: float = Field(description="How strongly it applies.")


class FreeUConfig(FieldValue):
    """Scales of FreeU's skip and backbone features."""

    s1: float = Field(ge=-1, le=3, description="First skip scale.")
    s2: float = Field(ge=-1, le=3, description="Second skip scale.")
    b1: float = Field(ge=-1, le=3, description="First backbone scale.")
    b2: float = Field(ge=-1, le=3, description="Second backbone scale.")


class UNetField(FieldValue):
    """A UNet with what changes it."""

    unet: ModelIdentifierField = Field(description="The UNet.")
    scheduler: ModelIdentifierField = Field(description="The scheduler.")
    loras: list[LoRAField] = Field(description="LoRAs to apply.")
    seamless_axes: list[str] = Field(default_factory=list, description="Axes (x, y) that wrap around.")
    freeu_config: FreeUConfig | None = Field(default=None, description="FreeU settings.")


class CLIPField(FieldValue):
    """A text encoder with what changes it."""

    tokenizer: ModelIdentifierField = Field(description="The tokenizer.")
    text_encoder: ModelIdentifierField = Field(description="The text encoder.")
    skipped_layers: int = Field(description="Last layers to leave out.")
    loras: list[LoRAField] = Field(description="LoRAs to apply.")


class VAEField(FieldValue):
    """A VAE."""

    vae: ModelIdentifierField = Field(description="The VAE.")
    seamless_axes: list[str] = Field(default_factory=list, description="Axes (x, y) that wrap around.")
