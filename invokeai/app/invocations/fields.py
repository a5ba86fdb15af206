"""Inputs and outputs of nodes: what the node editor is told about a field, and the value types that travel on edges.

Every field of a node is made by `InputField`, every field of an output by `OutputField`: what the editor reads is in
the field's `json_schema_extra`, already as JSON values. `orig_required` alone says whether an input must be set.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator
from pydantic_core import PydanticUndefined

from invokeai.app.invocations.ui_types import FieldKind, Input, UIComponent, UIType, model_filter_of
from invokeai.app.services.model_manager.taxonomy import BaseModelType, ModelType

__all__ = [
    "BoardField",
    "BoundingBoxField",
    "ColorField",
    "ConditioningField",
    "DenoiseMaskField",
    "FieldDescriptions",
    "FieldKind",
    "FluxConditioningField",
    "ImageField",
    "Input",
    "InputField",
    "LatentsField",
    "MetadataField",
    "OutputField",
    "SD3ConditioningField",
    "StylePresetField",
    "SystemPromptField",
    "TensorField",
    "UIComponent",
    "UIType",
    "VideoField",
    "WithBoard",
    "WithMetadata",
    "WithWorkflow",
]


class _AnyDescription(type):
    def __getattr__(cls, name: str) -> str:
        if name.startswith("_"):
            raise AttributeError(name)
        return name.replace("_", " ").capitalize()


class FieldDescriptions(metaclass=_AnyDescription):
    """Stock descriptions of common fields; a name without one reads as itself."""

    board = "The board that the picture goes to."
    image = "The picture to work on."
    metadata = "Metadata to store with the picture."
    width = "Width in pixels."
    height = "Height in pixels."
    seed = "Seed of the random numbers."
    mask = "Mask of the area to work on."


def _plain(value: Any) -> Any:
    """`value` with enum members replaced by their JSON values."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _as_list(value: Any) -> list[Any] | None:
    if value is None:
        return None
    return [_plain(item) for item in (value if isinstance(value, (list, tuple, set)) else [value])]


def InputField(
    default: Any = PydanticUndefined,
    *,
    default_factory: Callable[[], Any] | None = None,
    input: Input = Input.Any,
    ui_type: UIType | None = None,
    ui_component: UIComponent | None = None,
    ui_hidden: bool | None = None,
    ui_order: int | None = None,
    ui_choice_labels: Mapping[str, str] | None = None,
    ui_model_base: BaseModelType | Sequence[BaseModelType] | None = None,
    ui_model_type: ModelType | Sequence[ModelType] | None = None,
    ui_model_variant: Any = None,
    ui_model_format: Any = None,
    ui_model_provider_id: str | Sequence[str] | None = None,
    **constraints: Any,
) -> Any:
    """An input of a node. Without a default it is required: the graph may leave it out, the run may not.

    Args:
        input: `Direct` can only be typed in, `Connection` only be wired, `Any` both.
        ui_choice_labels: for an enum, the label of each value.
        ui_model_base: with its siblings, the models that the editor's drop-down shows.
        constraints: `title`, `description` and pydantic's constraints (`ge`, `min_length`, …).
    """
    extra: dict[str, Any] = {"field_kind": FieldKind.Input.value, "input": input.value}
    if ui_type is not None and ui_type.value.startswith("DEPRECATED_"):
        base, kind = model_filter_of(ui_type)
        ui_model_base, ui_model_type, ui_type = ui_model_base or base, ui_model_type or kind, None
    optional = {
        "ui_type": _plain(ui_type),
        "ui_component": _plain(ui_component),
        "ui_hidden": ui_hidden or None,
        "ui_order": ui_order,
        "ui_choice_labels": dict(ui_choice_labels) if ui_choice_labels else None,
        "ui_model_base": _as_list(ui_model_base),
        "ui_model_type": _as_list(ui_model_type),
        "ui_model_variant": _as_list(ui_model_variant),
        "ui_model_format": _as_list(ui_model_format),
        "ui_model_provider_id": _as_list(ui_model_provider_id),
    }
    extra.update({key: value for key, value in optional.items() if value is not None})
    required = (default is PydanticUndefined and default_factory is None) or default is Ellipsis
    extra["orig_required"] = required
    if default_factory is not None:
        return Field(default_factory=default_factory, json_schema_extra=extra, **constraints)
    if not required:
        extra["orig_default"] = default
    return Field(default=None if required else default, json_schema_extra=extra, **constraints)


def OutputField(
    default: Any = PydanticUndefined,
    *,
    ui_type: UIType | None = None,
    ui_hidden: bool = False,
    ui_order: int | None = None,
    **constraints: Any,
) -> Any:
    """An output of a node. `constraints` are `title`, `description` and pydantic's own."""
    extra: dict[str, Any] = {"field_kind": FieldKind.Output.value, "ui_hidden": ui_hidden}
    if ui_type is not None and not ui_type.value.startswith("DEPRECATED_"):
        extra["ui_type"] = ui_type.value
    if ui_order is not None:
        extra["ui_order"] = ui_order
    return Field(default=default, json_schema_extra=extra, **constraints)


def _internal(description: str, input: Input) -> Any:
    extra: dict[str, Any] = {"field_kind": FieldKind.Internal.value, "input": input.value}
    extra.update({"orig_required": False, "ui_hidden": False})
    return Field(default=None, description=description, json_schema_extra=extra)


class FieldValue(BaseModel):
    """Base of values that travel on edges: members that it does not know are dropped."""

    model_config = ConfigDict(defer_build=True, protected_namespaces=())


class ImageField(FieldValue):
    """A stored picture, by name."""

    image_name: str = Field(description="Name of the picture.")


class VideoField(FieldValue):
    """A stored video, by name."""

    video_name: str = Field(description="Name of the video.")


class BoardField(FieldValue):
    """A board, by id. The editor sends `auto` and `none` as text instead of a board."""

    board_id: str = Field(description="Id of the board.")


class StylePresetField(FieldValue):
    """A prompt template, by id."""

    style_preset_id: str = Field(description="Id of the prompt template.")


class SystemPromptField(FieldValue):
    """A system prompt, by id."""

    system_prompt_id: str = Field(description="Id of the system prompt.")


class TensorField(FieldValue):
    """A stored mask or tensor, by name."""

    tensor_name: str = Field(description="Name of the tensor.")


class LatentsField(FieldValue):
    """Stored latents, by name."""

    latents_name: str = Field(description="Name of the latents.")
    seed: int | None = Field(default=None, description="Seed that made the latents.")


class DenoiseMaskField(FieldValue):
    """A stored denoising mask."""

    mask_name: str = Field(description="Name of the mask.")
    masked_latents_name: str | None = Field(default=None, description="Name of the masked latents.")
    gradient: bool = Field(default=False, description="Whether the mask has soft edges.")


class ConditioningField(FieldValue):
    """Stored conditioning, by name."""

    conditioning_name: str = Field(description="Name of the conditioning.")
    mask: TensorField | None = Field(default=None, description="Area that the conditioning applies to.")


class FluxConditioningField(ConditioningField):
    """Stored conditioning for FLUX models."""


class SD3ConditioningField(ConditioningField):
    """Stored conditioning for SD3 models."""


Channel = Annotated[int, Field(ge=0, le=255)]


class ColorField(FieldValue):
    """A colour with opacity; each part is 0 to 255."""

    r: Channel = Field(description="Red.")
    g: Channel = Field(description="Green.")
    b: Channel = Field(description="Blue.")
    a: Channel = Field(description="Opacity.")

    def tuple(self) -> tuple[int, int, int, int]:
        """(red, green, blue, opacity)."""
        return self.r, self.g, self.b, self.a


class BoundingBoxField(FieldValue):
    """A box in pixels; the far edges are outside it."""

    x_min: int = Field(description="Left edge.")
    x_max: int = Field(description="Right edge, exclusive.")
    y_min: int = Field(description="Top edge.")
    y_max: int = Field(description="Bottom edge, exclusive.")
    score: float | None = Field(default=None, ge=0.0, le=1.0, description="How sure a detector was, 0 to 1.")

    @model_validator(mode="after")
    def _edges_in_order(self) -> "BoundingBoxField":
        if self.x_min > self.x_max:
            raise ValueError(f"x_min ({self.x_min}) must not be above x_max ({self.x_max})")
        if self.y_min > self.y_max:
            raise ValueError(f"y_min ({self.y_min}) must not be above y_max ({self.y_max})")
        return self

    def tuple(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom), as PIL's crop takes it."""
        return self.x_min, self.y_min, self.x_max, self.y_max


class MetadataField(RootModel[dict[str, Any]]):
    """Metadata of a picture: any members."""

    model_config = ConfigDict(defer_build=True)

    root: dict[str, Any] = Field(description="The metadata.")


class WithMetadata(BaseModel):
    """Mixin: the node takes metadata on a connection, to store with its picture."""

    model_config = ConfigDict(defer_build=True)

    metadata: MetadataField | None = _internal("Metadata to store with the picture.", Input.Connection)


class WithBoard(BaseModel):
    """Mixin: the node's picture goes to the board chosen in the node."""

    model_config = ConfigDict(defer_build=True)

    board: BoardField | None = _internal("The board that the picture goes to.", Input.Direct)


class WithWorkflow:
    """Does nothing: pictures keep their workflow by themselves. Kept for node packs written long ago."""
