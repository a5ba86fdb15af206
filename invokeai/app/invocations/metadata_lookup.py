"""Reading values back out of metadata. A label that is not there, or holds nothing, gives the node's default."""

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from invokeai.app.invocations.baseinvocation import Classification
from invokeai.app.invocations.metadata import MetadataOutput
from invokeai.app.invocations.model import CLIPField, UNetField, VAEField
from invokeai.app.invocations.schedulers import SchedulerName, SchedulerOutput
from invokeai.invocation_api import (
    BaseInvocation,
    BaseInvocationOutput,
    BooleanCollectionOutput,
    BooleanOutput,
    FloatCollectionOutput,
    FloatOutput,
    Input,
    InputField,
    IntegerCollectionOutput,
    IntegerOutput,
    InvalidInput,
    InvocationContext,
    MetadataField,
    ModelIdentifierField,
    ModelType,
    OutputField,
    StringCollectionOutput,
    StringOutput,
    SubModelType,
    UIType,
    WithMetadata,
    invocation,
    invocation_output,
)

CUSTOM = "* CUSTOM LABEL *"
Answer = TypeVar("Answer", bound=BaseModel)

# fmt: off
AnyLabel = Literal[
    "* CUSTOM LABEL *", "positive_prompt", "positive_style_prompt", "negative_prompt", "negative_style_prompt",
    "width", "height", "seed", "cfg_scale", "cfg_rescale_multiplier", "steps", "scheduler", "clip_skip", "model",
    "vae", "seamless_x", "seamless_y", "guidance", "cfg_scale_start_step", "cfg_scale_end_step",
]
TextLabel = Literal[
    "* CUSTOM LABEL *", "positive_prompt", "positive_style_prompt", "negative_prompt", "negative_style_prompt"
]
IntegerLabel = Literal[
    "* CUSTOM LABEL *", "width", "height", "seed", "steps", "clip_skip", "cfg_scale_start_step", "cfg_scale_end_step"
]
FloatLabel = Literal["* CUSTOM LABEL *", "cfg_scale", "cfg_rescale_multiplier", "guidance"]
BooleanLabel = Literal["* CUSTOM LABEL *", "seamless_x", "seamless_y"]
# fmt: on


def _label(default: str = CUSTOM) -> Any:
    return InputField(default=default, description="Which label to use.", input=Input.Direct)


def _custom_label() -> Any:
    return InputField(default=None, description="The label, where it is a custom one.", input=Input.Direct)


def _default() -> Any:
    return InputField(description="Value to give when the label is not there.")


def _label_of(node: Any) -> str:
    """The label that a node means. Raises InvalidInput for a custom one without a name."""
    if node.label != CUSTOM:
        return str(node.label)
    if not node.custom_label:
        raise InvalidInput(f"{node.get_title()} needs a custom label.")
    return str(node.custom_label)


def _read(node: Any, output: type[Answer], member: str, *, many: bool = False) -> Answer:
    """The value of the node's label, or its default, as the node's output. Raises InvalidInput for the wrong type."""
    label = _label_of(node)
    metadata: MetadataField | None = node.metadata
    value = metadata.root.get(label) if metadata is not None else None
    if value is None:
        value = node.default_value
    elif many and not isinstance(value, list):
        value = [value]
    try:
        return output.model_validate({member: value})
    except ValidationError:
        raise InvalidInput(f"{node.get_title()}: the metadata's {label!r} is of another type.") from None


@invocation(
    "metadata_item_linked",
    "Metadata Item Linked",
    ["metadata"],
    "metadata",
    "1.0.1",
    classification=Classification.Beta,
)
class MetadataItemLinkedInvocation(BaseInvocation, WithMetadata):
    """Adds a value to metadata, or replaces it."""

    label: AnyLabel = _label()
    custom_label: str | None = _custom_label()
    value: Any = InputField(description="The value, of any type.", ui_type=UIType.Any)

    def invoke(self, context: InvocationContext) -> MetadataOutput:
        """The metadata with the value."""
        members = dict(self.metadata.root) if self.metadata else {}
        members[_label_of(self)] = to_jsonable_python(self.value)
        return MetadataOutput(metadata=MetadataField(members))


def _lookup(name: str, title: str, version: str = "1.0.0") -> Any:
    return invocation(name, title, ["metadata"], "metadata", version, classification=Classification.Beta)


@_lookup("metadata_to_string", "Metadata To String")
class MetadataToStringInvocation(BaseInvocation, WithMetadata):
    """A text out of metadata."""

    label: TextLabel = _label()
    custom_label: str | None = _custom_label()
    default_value: str = _default()

    def invoke(self, context: InvocationContext) -> StringOutput:
        """The text."""
        return _read(self, StringOutput, "value")


@_lookup("metadata_to_string_collection", "Metadata To String Collection")
class MetadataToStringCollectionInvocation(BaseInvocation, WithMetadata):
    """Texts out of metadata; one text counts as a list."""

    label: TextLabel = _label()
    custom_label: str | None = _custom_label()
    default_value: list[str] = _default()

    def invoke(self, context: InvocationContext) -> StringCollectionOutput:
        """The texts."""
        return _read(self, StringCollectionOutput, "collection", many=True)


@_lookup("metadata_to_integer", "Metadata To Integer")
class MetadataToIntegerInvocation(BaseInvocation, WithMetadata):
    """A whole number out of metadata."""

    label: IntegerLabel = _label()
    custom_label: str | None = _custom_label()
    default_value: int = _default()

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        """The number."""
        return _read(self, IntegerOutput, "value")


@_lookup("metadata_to_integer_collection", "Metadata To Integer Collection")
class MetadataToIntegerCollectionInvocation(BaseInvocation, WithMetadata):
    """Whole numbers out of metadata; one number counts as a list."""

    label: IntegerLabel = _label()
    custom_label: str | None = _custom_label()
    default_value: list[int] = _default()

    def invoke(self, context: InvocationContext) -> IntegerCollectionOutput:
        """The numbers."""
        return _read(self, IntegerCollectionOutput, "collection", many=True)


@_lookup("metadata_to_float", "Metadata To Float", "1.1.0")
class MetadataToFloatInvocation(BaseInvocation, WithMetadata):
    """A number out of metadata."""

    label: FloatLabel = _label()
    custom_label: str | None = _custom_label()
    default_value: float = _default()

    def invoke(self, context: InvocationContext) -> FloatOutput:
        """The number."""
        return _read(self, FloatOutput, "value")


@_lookup("metadata_to_float_collection", "Metadata To Float Collection")
class MetadataToFloatCollectionInvocation(BaseInvocation, WithMetadata):
    """Numbers out of metadata; one number counts as a list."""

    label: FloatLabel = _label()
    custom_label: str | None = _custom_label()
    default_value: list[float] = _default()

    def invoke(self, context: InvocationContext) -> FloatCollectionOutput:
        """The numbers."""
        return _read(self, FloatCollectionOutput, "collection", many=True)


@_lookup("metadata_to_bool", "Metadata To Bool")
class MetadataToBoolInvocation(BaseInvocation, WithMetadata):
    """A yes or no out of metadata."""

    label: BooleanLabel = _label()
    custom_label: str | None = _custom_label()
    default_value: bool = _default()

    def invoke(self, context: InvocationContext) -> BooleanOutput:
        """The value."""
        return _read(self, BooleanOutput, "value")


@_lookup("metadata_to_bool_collection", "Metadata To Bool Collection")
class MetadataToBoolCollectionInvocation(BaseInvocation, WithMetadata):
    """Yes-or-noes out of metadata; one counts as a list."""

    label: BooleanLabel = _label()
    custom_label: str | None = _custom_label()
    default_value: list[bool] = _default()

    def invoke(self, context: InvocationContext) -> BooleanCollectionOutput:
        """The values."""
        return _read(self, BooleanCollectionOutput, "collection", many=True)


@_lookup("metadata_to_scheduler", "Metadata To Scheduler", "1.0.1")
class MetadataToSchedulerInvocation(BaseInvocation, WithMetadata):
    """A scheduler out of metadata."""

    label: Literal["* CUSTOM LABEL *", "scheduler"] = _label("scheduler")
    custom_label: str | None = _custom_label()
    default_value: SchedulerName = InputField(
        default="euler", description="Value to give when the label is not there.", ui_type=UIType.Scheduler
    )

    def invoke(self, context: InvocationContext) -> SchedulerOutput:
        """The scheduler."""
        return _read(self, SchedulerOutput, "scheduler")


@invocation_output("metadata_to_model_output")
class MetadataToModelOutput(BaseInvocationOutput):
    """A model and its parts."""

    model: ModelIdentifierField = OutputField(description="The model.")
    name: str = OutputField(description="Its name.")
    unet: UNetField = OutputField(description="Its UNet.")
    vae: VAEField = OutputField(description="Its VAE.")
    clip: CLIPField = OutputField(description="Its text encoder.")


class _FoundModel(BaseModel):
    model: ModelIdentifierField


@_lookup("metadata_to_model", "Metadata To Model", "1.3.0")
class MetadataToModelInvocation(BaseInvocation, WithMetadata):
    """A model out of metadata."""

    label: Literal["* CUSTOM LABEL *", "model"] = _label("model")
    custom_label: str | None = _custom_label()
    default_value: ModelIdentifierField = InputField(
        description="Model to give when the label is not there.", ui_model_type=ModelType.Main
    )

    def invoke(self, context: InvocationContext) -> MetadataToModelOutput:
        """The model with its parts."""
        model = _read(self, _FoundModel, "model").model

        def part(submodel: SubModelType) -> ModelIdentifierField:
            return model.model_copy(update={"submodel_type": submodel})

        return MetadataToModelOutput(
            model=model,
            name=model.name,
            unet=UNetField(unet=part(SubModelType.UNet), scheduler=part(SubModelType.Scheduler), loras=[]),
            vae=VAEField(vae=part(SubModelType.VAE)),
            clip=CLIPField(
                tokenizer=part(SubModelType.Tokenizer),
                text_encoder=part(SubModelType.TextEncoder),
                skipped_layers=0,
                loras=[],
            ),
        )
