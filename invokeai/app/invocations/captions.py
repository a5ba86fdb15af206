"""Prompts as structured captions, for models that are trained on them."""

from typing import Annotated, Any

import orjson
from pydantic import Field

from invokeai.app.invocations.baseinvocation import Classification
from invokeai.invocation_api import (
    BaseInvocation,
    FieldValue,
    InputField,
    InvocationContext,
    StringOutput,
    UIComponent,
    invocation,
)

PerMille = Annotated[int, Field(ge=0, le=1000)]


class Ideogram4Region(FieldValue):
    """What is to be seen, and where: [top, left, bottom, right] in thousandths of the picture."""

    prompt: str = Field(description="What is to be seen.")
    bbox: list[PerMille] | None = Field(default=None, min_length=4, max_length=4, description="Where, if it matters.")


@invocation(
    "ideogram4_caption_builder",
    "Caption Builder - Ideogram 4",
    ["prompt", "ideogram4"],
    "conditioning",
    "1.0.0",
    classification=Classification.Prototype,
)
class Ideogram4CaptionBuilderInvocation(BaseInvocation):
    """A caption in JSON of a prompt, regions and colours. A prompt that is a JSON object already stays as it is."""

    prompt: str = InputField(default="", description="The whole picture.", ui_component=UIComponent.Textarea)
    regions: list[Ideogram4Region] = InputField(default=[], description="Parts of the picture.")
    color_palette: list[str] = InputField(default=[], description="Colours to use, as #RRGGBB.")

    def invoke(self, context: InvocationContext) -> StringOutput:
        """The caption."""
        if _is_object(self.prompt):
            return StringOutput(value=self.prompt)
        caption: dict[str, Any] = {"high_level_description": self.prompt}
        if self.color_palette:
            caption["color_palette"] = self.color_palette
        if self.regions:
            caption["elements"] = [_element(region) for region in self.regions]
        return StringOutput(value=orjson.dumps(caption).decode())


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _element(region: Ideogram4Region) -> dict[str, Any]:
    where = {"bbox": region.bbox} if region.bbox is not None else {}
    return {**where, "desc": region.prompt}
