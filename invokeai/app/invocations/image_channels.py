"""Nodes that take a picture apart into channels, or change its values one by one."""

from typing import Literal

from invokeai.app.invocations.image_access import load, save
from invokeai.invocation_api import (
    BaseInvocation,
    ImageField,
    ImageOutput,
    InputField,
    InvocationContext,
    WithBoard,
    WithMetadata,
    invocation,
)

ColorChannel = Literal[
    "Red (RGBA)", "Green (RGBA)", "Blue (RGBA)", "Alpha (RGBA)", "Cyan (CMYK)", "Magenta (CMYK)",
    "Yellow (CMYK)", "Black (CMYK)", "Hue (HSV)", "Saturation (HSV)", "Value (HSV)", "Luminosity (LAB)",
    "A (LAB)", "B (LAB)", "Y (YCbCr)", "Cb (YCbCr)", "Cr (YCbCr)",
]  # fmt: skip
_CHANNEL_TAGS = ["red", "green", "blue", "alpha", "cyan", "magenta", "yellow", "black", "hue", "saturation"]


@invocation("img_chan", title="Extract Image Channel", tags=["image", "channel"], category="image", version="1.2.2")
class ImageChannelInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Takes one channel out of a picture, as a grey picture."""

    image: ImageField = InputField(description="The picture to take the channel from.")
    channel: Literal["A", "R", "G", "B"] = InputField(default="A", description="The channel.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.channels import extract_channel

        return save(context, extract_channel(load(context, self.image), self.channel))


@invocation(
    "img_channel_offset",
    title="Offset Image Channel",
    tags=["image", "offset", *_CHANNEL_TAGS, "luminosity", "value"],
    category="image",
    version="1.2.3",
)
class ImageChannelOffsetInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Adds a number to one channel of a picture."""

    image: ImageField = InputField(description="The picture to adjust.")
    channel: ColorChannel = InputField(description="The channel.")
    offset: int = InputField(default=0, ge=-255, le=255, description="What is added; hues wrap round.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.channels import offset_channel

        return save(context, offset_channel(load(context, self.image), self.channel, self.offset))


@invocation(
    "img_channel_multiply",
    title="Multiply Image Channel",
    tags=["image", "invert", "scale", "multiply", *_CHANNEL_TAGS, "luminosity", "value"],
    category="image",
    version="1.2.3",
)
class ImageChannelMultiplyInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Multiplies one channel of a picture, and can invert it afterwards."""

    image: ImageField = InputField(description="The picture to adjust.")
    channel: ColorChannel = InputField(description="The channel.")
    scale: float = InputField(default=1.0, ge=0.0, description="What it is multiplied by.")
    invert_channel: bool = InputField(default=False, description="Invert the channel afterwards.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.channels import multiply_channel

        image = load(context, self.image)
        return save(context, multiply_channel(image, self.channel, self.scale, self.invert_channel))


@invocation("img_conv", title="Convert Image Mode", tags=["image", "convert"], category="image", version="1.2.2")
class ImageConvertInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Converts a picture to a mode. Modes that a PNG cannot hold are converted back for storing."""

    image: ImageField = InputField(description="The picture to convert.")
    mode: Literal["L", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F"] = InputField(
        default="L", description="The mode."
    )

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import convert_mode

        return save(context, convert_mode(load(context, self.image), self.mode))


@invocation("img_lerp", title="Lerp Image", tags=["image", "lerp"], category="image", version="1.2.2")
class ImageLerpInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Squeezes the values 0 to 255 of a picture into a smaller range."""

    image: ImageField = InputField(description="The picture to change.")
    min: int = InputField(default=0, ge=0, le=255, description="What 0 becomes.")
    max: int = InputField(default=255, ge=0, le=255, description="What 255 becomes.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import lerp

        return save(context, lerp(load(context, self.image), self.min, self.max))


@invocation("img_ilerp", title="Inverse Lerp Image", tags=["image", "ilerp"], category="image", version="1.2.2")
class ImageInverseLerpInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Stretches a range of values of a picture to 0 to 255."""

    image: ImageField = InputField(description="The picture to change.")
    min: int = InputField(default=0, ge=0, le=255, description="What becomes 0.")
    max: int = InputField(default=255, ge=0, le=255, description="What becomes 255.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import inverse_lerp

        return save(context, inverse_lerp(load(context, self.image), self.min, self.max))


@invocation("img_mul", title="Multiply Images", tags=["image", "multiply"], category="image", version="1.2.2")
class ImageMultiplyInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Multiplies two pictures with each other; white is one."""

    image1: ImageField = InputField(description="The first picture.")
    image2: ImageField = InputField(description="The second picture.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import multiply

        return save(context, multiply(load(context, self.image1), load(context, self.image2)))


@invocation(
    "invokeai_img_val_thresholds",
    title="Image Value Thresholds",
    tags=["image", "mask", "value", "threshold"],
    category="image",
    version="1.2.0",
)
class InvokeImageValueThresholdsInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Turns dark values black and light values white."""

    image: ImageField = InputField(description="The picture to change.")
    invert_output: bool = InputField(default=False, description="Swap light and dark.")
    renormalize_values: bool = InputField(default=False, description="Stretch what lies between the thresholds.")
    lightness_only: bool = InputField(default=False, description="Work on CIELAB lightness and keep the colours.")
    threshold_upper: float = InputField(default=0.5, description="From here on up values become full, 0 to 1.")
    threshold_lower: float = InputField(default=0.5, description="Under this values become zero, 0 to 1.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import change_lightness, clip_values

        image = load(context, self.image)
        options = (self.threshold_lower, self.threshold_upper, self.renormalize_values, self.invert_output)
        if self.lightness_only:
            return save(context, change_lightness(image, lambda plane: clip_values(plane, *options)))
        return save(context, clip_values(image, *options))
