"""Nodes that blur, sharpen, roughen, grow or shrink what is in a picture."""

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


@invocation("img_blur", title="Blur Image", tags=["image", "blur"], category="image", version="1.2.2")
class ImageBlurInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Blurs a picture."""

    image: ImageField = InputField(description="The picture to blur.")
    radius: float = InputField(default=8.0, ge=0, description="Radius in pixels.")
    blur_type: Literal["gaussian", "box"] = InputField(default="gaussian", description="Shape of the blur.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.filters import blur

        return save(context, blur(load(context, self.image), self.radius, self.blur_type))


@invocation("img_noise", title="Add Image Noise", tags=["image", "noise"], category="image", version="1.1.0")
class ImageNoiseInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Adds noise to a picture, the same for the same seed."""

    image: ImageField = InputField(description="The picture to add noise to.")
    mask: ImageField | None = InputField(default=None, description="Black where noise goes, white where not.")
    seed: int = InputField(default=0, ge=0, le=4294967295, description="Seed of the noise.")
    noise_type: Literal["gaussian", "salt_and_pepper"] = InputField(default="gaussian", description="Kind of noise.")
    amount: float = InputField(default=0.1, ge=0, le=1, description="Strength, or the part of the dots that change.")
    noise_color: bool = InputField(default=True, description="Coloured noise instead of grey.")
    size: int = InputField(default=1, ge=1, description="Side of a dot in pixels.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.filters import add_noise

        image, mask = load(context, self.image), load_optional(context, self.mask)
        return save(
            context, add_noise(image, mask, self.seed, self.noise_type, self.amount, self.noise_color, self.size)
        )


@invocation("unsharp_mask", title="Unsharp Mask", tags=["image", "unsharp_mask"], category="image", version="1.2.2")
class UnsharpMaskInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Sharpens a picture."""

    image: ImageField = InputField(description="The picture to sharpen.")
    radius: float = InputField(default=2, gt=0, description="Radius of the blur that is compared with, in pixels.")
    strength: float = InputField(default=50, ge=0, description="Strength in percent.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.filters import unsharp

        return save(context, unsharp(load(context, self.image), self.radius, self.strength))


@invocation(
    "unsharp_mask_oklab",
    title="Unsharp Mask (Oklab)",
    tags=["image", "unsharp_mask", "oklab"],
    category="image",
    version="1.0.0",
)
class OklabUnsharpMaskInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Sharpens the lightness of a picture and leaves its colours alone."""

    image: ImageField = InputField(description="The picture to sharpen.")
    radius: float = InputField(default=2, gt=0, description="Radius of the blur that is compared with, in pixels.")
    strength: float = InputField(default=50, ge=0, description="Strength in percent.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.filters import unsharp_oklab

        return save(context, unsharp_oklab(load(context, self.image), self.radius, self.strength))


@invocation(
    "invokeai_img_dilate_erode",
    title="Image Dilate or Erode",
    tags=["image", "mask", "dilate", "erode", "expand", "contract", "mask"],
    category="image",
    version="1.3.0",
)
class InvokeImageDilateOrErodeInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Lets the light parts of a picture grow, or the dark ones."""

    image: ImageField = InputField(description="The picture to work on.")
    lightness_only: bool = InputField(default=False, description="Work on CIELAB lightness and keep the colours.")
    radius_w: int = InputField(ge=0, default=4, description="How far to the sides, in pixels.")
    radius_h: int = InputField(ge=0, default=4, description="How far up and down, in pixels.")
    mode: Literal["Dilate", "Erode"] = InputField(default="Dilate", description="Light parts or dark parts grow.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.colours import change_lightness
        from invokeai.backend.image.filters import dilate, erode

        spread = dilate if self.mode == "Dilate" else erode
        image = load(context, self.image)
        if self.lightness_only:
            changed = change_lightness(image, lambda plane: spread(plane, self.radius_w, self.radius_h))
            return save(context, changed)
        return save(context, spread(image, self.radius_w, self.radius_h))
