"""Nodes that turn hues, enhance, and match the colours of one picture to another."""

from typing import Literal

from invokeai.app.invocations.image_access import load, load_optional, save
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


@invocation("img_hue_adjust", title="Adjust Image Hue", tags=["image", "hue"], category="image", version="1.2.2")
class ImageHueAdjustmentInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Turns the hues of a picture in HSV."""

    image: ImageField = InputField(description="The picture to adjust.")
    hue: int = InputField(default=0, description="Degrees, 0 to 360.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import rotate_hue

        return save(context, rotate_hue(load(context, self.image), self.hue))


@invocation(
    "img_hue_adjust_oklch",
    title="Adjust Image Hue (Oklch)",
    tags=["image", "hue", "oklch"],
    category="image",
    version="1.0.0",
)
class OklchImageHueAdjustmentInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Turns the hues of a picture in Oklch, so that they stay as light as they look."""

    image: ImageField = InputField(description="The picture to adjust.")
    hue: int = InputField(default=0, description="Degrees, 0 to 360.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import rotate_hue_oklch

        return save(context, rotate_hue_oklch(load(context, self.image), self.hue))


@invocation(
    "invokeai_img_hue_adjust_plus",
    title="Adjust Image Hue Plus",
    tags=["image", "hue", "oklab", "cielab", "uplab", "lch", "hsv", "hsl", "lab"],
    category="image",
    version="1.2.0",
)
class InvokeAdjustImageHuePlusInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Turns the hues of a picture in a colour space of your choice. UPLab needs a profile that is not included."""

    image: ImageField = InputField(description="The picture to adjust.")
    space: Literal[
        "HSV / HSL / RGB",
        "Okhsl",
        "Okhsv",
        "*Oklch / Oklab",
        "*LCh / CIELab",
        "*UPLab (w/CIELab_to_UPLab.icc)",
    ] = InputField(default="HSV / HSL / RGB", description="The colour space; with a star, colours may get lost.")
    degrees: float = InputField(default=0.0, description="Degrees to turn by.")
    preserve_lightness: bool = InputField(default=False, description="Keep the CIELAB lightness of every pixel.")
    ok_adaptive_gamut: float = InputField(
        ge=0, default=0.05, description="Oklab: higher keeps strong colours and gives up lightness."
    )
    ok_high_precision: bool = InputField(default=True, description="Oklab: more steps at the edge of the gamut.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import rotate_hue_in

        image = load(context, self.image)
        options = (self.preserve_lightness, self.ok_adaptive_gamut, self.ok_high_precision)
        return save(context, rotate_hue_in(image, self.space, self.degrees, *options))


@invocation(
    "invokeai_ealightness",
    title="Equivalent Achromatic Lightness",
    tags=["image", "channel", "mask", "cielab", "lab"],
    category="image",
    version="1.2.0",
)
class InvokeEquivalentAchromaticLightnessInvocation(BaseInvocation, WithMetadata, WithBoard):
    """A grey picture of how light each colour looks."""

    image: ImageField = InputField(description="The picture to measure.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import achromatic_lightness

        return save(context, achromatic_lightness(load(context, self.image)))


@invocation("invokeai_img_enhance", title="Enhance Image", tags=["enhance", "image"], category="image", version="1.2.1")
class InvokeImageEnhanceInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Changes colour, contrast, brightness and sharpness of a picture."""

    image: ImageField = InputField(description="The picture to enhance.")
    invert: bool = InputField(default=False, description="Invert the colours first.")
    color: float = InputField(ge=0, default=1.0, description="Strength of the colours; 1 leaves them.")
    contrast: float = InputField(ge=0, default=1.0, description="Contrast; 1 leaves it.")
    brightness: float = InputField(ge=0, default=1.0, description="Brightness; 1 leaves it.")
    sharpness: float = InputField(ge=0, default=1.0, description="Sharpness; 1 leaves it.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import enhance

        image = load(context, self.image)
        return save(context, enhance(image, self.invert, self.color, self.contrast, self.brightness, self.sharpness))


@invocation("color_correct", title="Color Correct", tags=["image", "color"], category="image", version="2.0.0")
class ColorCorrectInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Gives a picture the colours of another by matching their histograms."""

    base_image: ImageField = InputField(description="The picture to correct.")
    color_reference: ImageField = InputField(description="The picture whose colours are wanted.")
    mask: ImageField | None = InputField(default=None, description="Black where colours change, white where they stay.")
    colorspace: Literal["RGB", "YCbCr", "YCbCr-Chroma", "YCbCr-Luma"] = InputField(
        default="RGB", title="Color Space", description="Channels that are matched."
    )

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import match_colours

        base, reference = load(context, self.base_image), load(context, self.color_reference)
        return save(context, match_colours(base, reference, load_optional(context, self.mask), self.colorspace))
