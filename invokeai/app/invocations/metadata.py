"""Building and merging the metadata of pictures. A later value of a label replaces an earlier one."""

from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic_core import to_jsonable_python

from invokeai.app.invocations.baseinvocation import Classification
from invokeai.app.invocations.metadata_values import (
    ControlNetMetadataField,
    IPAdapterMetadataField,
    LoRAMetadataField,
    T2IAdapterMetadataField,
)
from invokeai.invocation_api import (
    AsyncInvocationContext,
    BaseInvocation,
    BaseInvocationOutput,
    FieldValue,
    ImageField,
    InputField,
    InvalidInput,
    InvocationContext,
    MetadataField,
    ModelIdentifierField,
    OutputField,
    StringOutput,
    UIType,
    invocation,
    invocation_output,
)
from invokeai.version import CONTRACT_VERSION

_NODE_MEMBERS = {"id", "type", "is_intermediate", "use_cache"}


class MetadataItemField(FieldValue):
    """One label and its value."""

    label: str = Field(description="The label.")
    value: Any = Field(description="The value, of any type.")


@invocation_output("metadata_item_output")
class MetadataItemOutput(BaseInvocationOutput):
    """One label and its value."""

    item: MetadataItemField = OutputField(description="The item.")


@invocation_output("metadata_output")
class MetadataOutput(BaseInvocationOutput):
    """Metadata of a picture."""

    metadata: MetadataField = OutputField(description="The metadata.")


@invocation("metadata_item", "Metadata Item", ["metadata"], "metadata", "1.0.1")
class MetadataItemInvocation(BaseInvocation):
    """A label with a value."""

    label: str = InputField(description="The label.")
    value: Any = InputField(description="The value, of any type.", ui_type=UIType.Any)

    def invoke(self, context: InvocationContext) -> MetadataItemOutput:
        """The item."""
        return MetadataItemOutput(item=MetadataItemField(label=self.label, value=to_jsonable_python(self.value)))


@invocation("metadata", "Metadata", ["metadata"], "metadata", "1.0.1")
class MetadataInvocation(BaseInvocation):
    """Metadata of items."""

    items: list[MetadataItemField] | MetadataItemField = InputField(description="One item, or several.")

    def invoke(self, context: InvocationContext) -> MetadataOutput:
        """All items in one."""
        items = self.items if isinstance(self.items, list) else [self.items]
        return MetadataOutput(metadata=MetadataField({item.label: item.value for item in items}))


@invocation("merge_metadata", "Metadata Merge", ["metadata"], "metadata", "1.0.1")
class MergeMetadataInvocation(BaseInvocation):
    """Several metadata in one; the last one wins."""

    collection: list[MetadataField] = InputField(description="What to merge.")

    def invoke(self, context: InvocationContext) -> MetadataOutput:
        """All members together."""
        merged: dict[str, Any] = {}
        for part in self.collection:
            merged.update(part.root)
        return MetadataOutput(metadata=MetadataField(merged))


@invocation(
    "metadata_from_image",
    "Metadata From Image",
    ["metadata"],
    "metadata",
    "1.0.1",
    classification=Classification.Beta,
)
class MetadataFromImageInvocation(BaseInvocation):
    """The metadata that is stored with a picture."""

    image: ImageField = InputField(description="The picture.")

    async def invoke(self, context: AsyncInvocationContext) -> MetadataOutput:
        """Its metadata; empty for a picture without any. Raises NotFound."""
        found = await context.images.get_metadata(self.image.image_name)
        return MetadataOutput(metadata=MetadataField(found or {}))


@invocation(
    "metadata_field_extractor",
    "Metadata Field Extractor",
    ["metadata"],
    "metadata",
    "1.0.0",
    classification=Classification.Deprecated,
)
class MetadataFieldExtractorInvocation(BaseInvocation):
    """One text out of a picture's metadata."""

    image: ImageField = InputField(description="The picture.")
    key: str = InputField(description="Label of the text.")

    async def invoke(self, context: AsyncInvocationContext) -> StringOutput:
        """The text. Raises InvalidInput where the picture has no such text, NotFound without the picture."""
        found = await context.images.get_metadata(self.image.image_name) or {}
        value = found.get(self.key)
        if not isinstance(value, str):
            raise InvalidInput(f"The metadata of {self.image.image_name} has no text {self.key!r}.")
        return StringOutput(value=value)


# fmt: off
GenerationMode = Literal[
    "txt2img", "img2img", "inpaint", "outpaint",
    "sdxl_txt2img", "sdxl_img2img", "sdxl_inpaint", "sdxl_outpaint",
    "flux_txt2img", "flux_img2img", "flux_inpaint", "flux_outpaint",
    "flux2_txt2img", "flux2_img2img", "flux2_inpaint", "flux2_outpaint",
    "sd3_txt2img", "sd3_img2img", "sd3_inpaint", "sd3_outpaint",
    "cogview4_txt2img", "cogview4_img2img", "cogview4_inpaint", "cogview4_outpaint",
    "z_image_txt2img", "z_image_img2img", "z_image_inpaint", "z_image_outpaint",
    "ernie_image_txt2img", "ideogram4_txt2img",
    "qwen_image_txt2img", "qwen_image_img2img", "qwen_image_inpaint", "qwen_image_outpaint",
    "anima_txt2img", "anima_img2img", "anima_inpaint", "anima_outpaint",
    "krea2_txt2img", "krea2_img2img", "krea2_inpaint", "krea2_outpaint",
    "wan_txt2img", "wan_img2img", "wan_inpaint", "wan_outpaint", "wan_i2v",
]
# fmt: on


def _noted(description: str) -> Any:
    return InputField(default=None, description=description)


@invocation("core_metadata", "Core Metadata", ["metadata"], "metadata", "2.2.0", classification=Classification.Internal)
class CoreMetadataInvocation(BaseInvocation):
    """How a picture was made, as the web UI stores and recalls it. Other members are kept as they come."""

    model_config = ConfigDict(extra="allow")

    generation_mode: GenerationMode | None = _noted("Kind of generation.")
    positive_prompt: str | None = _noted("What was wanted.")
    negative_prompt: str | None = _noted("What was not wanted.")
    width: int | None = _noted("Width in pixels.")
    height: int | None = _noted("Height in pixels.")
    seed: int | None = _noted("Seed of the noise.")
    rand_device: str | None = _noted("Device that drew the random numbers.")
    cfg_scale: float | None = _noted("Guidance scale.")
    cfg_rescale_multiplier: float | None = _noted("Rescaling of the guidance.")
    steps: int | None = _noted("Number of steps.")
    scheduler: str | None = _noted("The scheduler.")
    seamless_x: bool | None = _noted("Whether left and right edge join.")
    seamless_y: bool | None = _noted("Whether top and bottom edge join.")
    clip_skip: int | None = _noted("Text encoder layers left out.")
    model: ModelIdentifierField | None = _noted("The main model.")
    controlnets: list[ControlNetMetadataField] | None = _noted("ControlNets.")
    ipAdapters: list[IPAdapterMetadataField] | None = _noted("IP adapters.")
    t2iAdapters: list[T2IAdapterMetadataField] | None = _noted("T2I adapters.")
    loras: list[LoRAMetadataField] | None = _noted("LoRAs.")
    strength: float | None = _noted("How far the picture may move from the first one.")
    init_image: str | None = _noted("Name of the first picture.")
    vae: ModelIdentifierField | None = _noted("The VAE, if not the model's own.")
    qwen3_encoder: ModelIdentifierField | None = _noted("The Qwen3 text encoder.")
    mistral_encoder: ModelIdentifierField | None = _noted("The Mistral text encoder.")
    ideogram4_caption: str | None = _noted("The structured caption.")
    hrf_enabled: bool | None = _noted("Whether the high resolution pass was on.")
    hrf_method: str | None = _noted("Upscaling method of the high resolution pass.")
    hrf_strength: float | None = _noted("Strength of the high resolution pass.")
    positive_style_prompt: str | None = _noted("Wanted style.")
    negative_style_prompt: str | None = _noted("Unwanted style.")
    refiner_model: ModelIdentifierField | None = _noted("The refiner.")
    refiner_cfg_scale: float | None = _noted("Guidance scale of the refiner.")
    refiner_steps: int | None = _noted("Steps of the refiner.")
    refiner_scheduler: str | None = _noted("Scheduler of the refiner.")
    refiner_positive_aesthetic_score: float | None = _noted("Wanted aesthetic score.")
    refiner_negative_aesthetic_score: float | None = _noted("Unwanted aesthetic score.")
    refiner_start: float | None = _noted("Share of the steps before the refiner.")

    def invoke(self, context: InvocationContext) -> MetadataOutput:
        """All members that have a value, and the version of the interface."""
        members = self.model_dump(mode="json", exclude_none=True, exclude=_NODE_MEMBERS)
        return MetadataOutput(metadata=MetadataField({**members, "app_version": CONTRACT_VERSION}))
