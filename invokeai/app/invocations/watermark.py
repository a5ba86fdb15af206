"""Nodes that hide a short text in a picture and read it again, compatible with the package `invisible-watermark`."""

from invokeai.app.invocations.image_access import load, save
from invokeai.invocation_api import (
    BaseInvocation,
    ImageField,
    ImageOutput,
    InputField,
    InvocationContext,
    StringOutput,
    WithBoard,
    WithMetadata,
    invocation,
)


@invocation(
    "img_watermark", title="Add Invisible Watermark", tags=["image", "watermark"], category="image", version="1.2.2"
)
class ImageWatermarkInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Hides a text in a picture (method dwtDctSvd). It survives a good JPEG, but not scaling."""

    image: ImageField = InputField(description="The picture to mark.")
    text: str = InputField(default="InvokeAI", description="The text.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.watermark import embed

        return save(context, embed(load(context, self.image), self.text))


@invocation(
    "decode_watermark",
    title="Decode Invisible Watermark",
    tags=["image", "watermark"],
    category="image",
    version="1.0.0",
)
class DecodeInvisibleWatermarkInvocation(BaseInvocation):
    """Reads the text hidden in a picture (method dwtDctSvd). Without one the result is noise."""

    image: ImageField = InputField(description="The picture to read.")
    length: int = InputField(default=8, description="Length of the text in bytes.")

    def invoke(self, context: InvocationContext) -> StringOutput:
        from invokeai.backend.image.watermark import read

        return StringOutput(value=read(load(context, self.image), self.length))
