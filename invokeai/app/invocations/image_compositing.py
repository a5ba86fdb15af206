"""Nodes that put two pictures on top of each other."""

from typing import Literal

from invokeai.app.invocations.image_access import load, load_optional, pixel_limit, save
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

BlendMode = Literal[
    "Normal", "Lighten Only", "Darken Only", "Lighten Only (EAL)", "Darken Only (EAL)", "Hue", "Saturation",
    "Color", "Luminosity", "Linear Dodge (Add)", "Subtract", "Multiply", "Divide", "Screen", "Overlay",
    "Linear Burn", "Difference", "Hard Light", "Soft Light", "Vivid Light", "Linear Light", "Color Burn",
    "Color Dodge",
]  # fmt: skip
BlendSpace = Literal["RGB", "Linear RGB", "HSL (RGB)", "HSV (RGB)", "Okhsl", "Okhsv", "Oklch (Oklab)", "LCh (CIELab)"]


@invocation(
    "invokeai_img_blend",
    title="Image Layer Blend",
    tags=["image", "blend", "layer", "alpha", "composite", "dodge", "burn"],
    category="image",
    version="1.2.0",
)
class InvokeImageBlendInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Blends one picture over another."""

    layer_upper: ImageField = InputField(description="The upper picture, centred on the lower one.", ui_order=1)
    blend_mode: BlendMode = InputField(default="Normal", description="How colours are mixed.", ui_order=2)
    opacity: float = InputField(ge=0, default=1.0, description="Opacity of the upper picture, 0 to 1.", ui_order=3)
    mask: ImageField | None = InputField(
        default=None, description="White where the lower picture must stay as it is.", ui_order=4
    )
    fit_to_width: bool = InputField(default=False, description="Scale the upper picture to the width.", ui_order=5)
    fit_to_height: bool = InputField(default=True, description="Scale the upper picture to the height.", ui_order=6)
    layer_base: ImageField = InputField(description="The lower picture.", ui_order=7)
    color_space: BlendSpace = InputField(default="RGB", description="Colour space to mix in.", ui_order=8)
    adaptive_gamut: float = InputField(
        ge=0, default=0.0, description="Oklch: higher keeps strong colours and gives up lightness.", ui_order=9
    )
    high_precision: bool = InputField(default=True, description="More steps at the edge of the gamut.", ui_order=10)

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.layers import Blend, blend_layers, fit

        base = load(context, self.layer_base)
        upper = fit(load(context, self.layer_upper), base, self.fit_to_width, self.fit_to_height, pixel_limit(context))
        blend = Blend(
            self.blend_mode, self.color_space, self.opacity, self.adaptive_gamut, 16 if self.high_precision else 8
        )
        return save(context, blend_layers(base, upper, load_optional(context, self.mask), blend))


@invocation(
    "invokeai_img_composite",
    title="Image Compositor",
    tags=["image", "compose", "chroma", "key"],
    category="image",
    version="1.2.0",
)
class InvokeImageCompositorInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Cuts a subject out of its plain backdrop and puts it on another picture."""

    image_subject: ImageField = InputField(description="The subject on a plain backdrop.")
    image_background: ImageField = InputField(description="The picture to put it on.")
    chroma_key: str = InputField(
        default="", description="Colour of the backdrop, as CSS or (r, g, b); empty takes what joins the corners."
    )
    threshold: int = InputField(ge=0, default=50, description="How far from that colour still counts as backdrop.")
    fill_x: bool = InputField(default=False, description="Scale the subject's picture to the background's width.")
    fill_y: bool = InputField(default=True, description="Scale the subject's picture to the background's height.")
    x_offset: int = InputField(default=0, description="Pixels to the right of the middle.")
    y_offset: int = InputField(default=0, description="Pixels below the middle.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.layers import cut_out, fit, put_on

        background = load(context, self.image_background)
        subject = cut_out(load(context, self.image_subject), self.chroma_key, self.threshold)
        subject = fit(subject, background, self.fill_x, self.fill_y, pixel_limit(context))
        return save(context, put_on(background, subject, self.x_offset, self.y_offset))
