"""What metadata keeps of adapters, control pictures and LoRAs. The shapes are those that stored pictures have."""

from typing import Literal

from pydantic import Field

from invokeai.invocation_api import FieldValue, ImageField, ModelIdentifierField

ControlMode = Literal["balanced", "more_prompt", "more_control", "unbalanced"]
ResizeMode = Literal["just_resize", "crop_resize", "fill_resize", "just_resize_simple"]


class LoRAMetadataField(FieldValue):
    """A LoRA and its weight."""

    model: ModelIdentifierField = Field(description="The LoRA.")
    weight: float = Field(description="How strongly it applied.")


class ControlNetMetadataField(FieldValue):
    """A ControlNet and how it was used. Steps are shares of the whole, 0 to 1."""

    image: ImageField = Field(description="The control picture.")
    processed_image: ImageField | None = Field(default=None, description="The control picture after its filter.")
    control_model: ModelIdentifierField = Field(description="The ControlNet.")
    control_weight: float | list[float] = Field(default=1, description="How strongly it applied.")
    begin_step_percent: float = Field(default=0, ge=0, le=1, description="Where it started.")
    end_step_percent: float = Field(default=1, ge=0, le=1, description="Where it ended.")
    control_mode: ControlMode = Field(default="balanced", description="Balance with the prompt.")
    resize_mode: ResizeMode = Field(default="just_resize", description="How the picture was fitted.")


class T2IAdapterMetadataField(FieldValue):
    """A T2I adapter and how it was used. Steps are shares of the whole, 0 to 1."""

    image: ImageField = Field(description="The control picture.")
    processed_image: ImageField | None = Field(default=None, description="The control picture after its filter.")
    t2i_adapter_model: ModelIdentifierField = Field(description="The adapter.")
    weight: float | list[float] = Field(default=1, description="How strongly it applied.")
    begin_step_percent: float = Field(default=0, ge=0, le=1, description="Where it started.")
    end_step_percent: float = Field(default=1, ge=0, le=1, description="Where it ended.")
    resize_mode: ResizeMode = Field(default="just_resize", description="How the picture was fitted.")


class IPAdapterMetadataField(FieldValue):
    """An IP adapter and how it was used. Steps are shares of the whole, 0 to 1."""

    image: ImageField = Field(description="The reference picture.")
    ip_adapter_model: ModelIdentifierField = Field(description="The adapter.")
    clip_vision_model: Literal["ViT-L", "ViT-H", "ViT-G"] = Field(description="The vision model.")
    method: Literal["full", "style", "composition", "style_strong", "style_precise"] = Field(
        description="What it took."
    )
    weight: float | list[float] = Field(description="How strongly it applied.")
    begin_step_percent: float = Field(description="Where it started.")
    end_step_percent: float = Field(description="Where it ended.")
