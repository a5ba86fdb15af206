"""Nodes that change the size of a picture or put one into another."""

from typing import Literal

from invokeai.app.invocations.image_access import load, load_optional, pixel_limit, save
from invokeai.invocation_api import (
    BaseInvocation,
    BoundingBoxField,
    ColorField,
    ImageField,
    ImageOutput,
    InputField,
    InvocationContext,
    WithBoard,
    WithMetadata,
    invocation,
)

ResampleMode = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


@invocation("blank_image", title="Blank Image", tags=["image"], category="image", version="1.2.2")
class BlankImageInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Makes a picture of one colour."""

    width: int = InputField(default=512, description="Width in pixels.")
    height: int = InputField(default=512, description="Height in pixels.")
    mode: Literal["RGB", "RGBA"] = InputField(default="RGB", description="With or without transparency.")
    color: ColorField = InputField(default=ColorField(r=0, g=0, b=0, a=255), description="The colour.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.geometry import blank

        return save(context, blank(self.width, self.height, self.mode, self.color.tuple(), pixel_limit(context)))


@invocation("img_resize", title="Resize Image", tags=["image", "resize"], category="image", version="1.2.2")
class ImageResizeInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Stretches a picture to a size."""

    image: ImageField = InputField(description="The picture to resize.")
    width: int = InputField(default=512, gt=0, description="New width in pixels.")
    height: int = InputField(default=512, gt=0, description="New height in pixels.")
    resample_mode: ResampleMode = InputField(default="bicubic", description="How pixels are interpolated.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.geometry import resize

        image = load(context, self.image)
        return save(context, resize(image, self.width, self.height, self.resample_mode, pixel_limit(context)))


@invocation("img_scale", title="Scale Image", tags=["image", "scale"], category="image", version="1.2.2")
class ImageScaleInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Makes both sides of a picture longer or shorter by a factor."""

    image: ImageField = InputField(description="The picture to scale.")
    scale_factor: float = InputField(default=2.0, gt=0, description="What both sides are multiplied by.")
    resample_mode: ResampleMode = InputField(default="bicubic", description="How pixels are interpolated.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.geometry import scale

        return save(
            context, scale(load(context, self.image), self.scale_factor, self.resample_mode, pixel_limit(context))
        )


@invocation("img_crop", title="Crop Image", tags=["image", "crop"], category="image", version="1.2.2")
class ImageCropInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Cuts a rectangle out of a picture. What lies outside of the picture is transparent."""

    image: ImageField = InputField(description="The picture to crop.")
    x: int = InputField(default=0, description="Left edge of the rectangle.")
    y: int = InputField(default=0, description="Top edge of the rectangle.")
    width: int = InputField(default=512, gt=0, description="Width of the rectangle.")
    height: int = InputField(default=512, gt=0, description="Height of the rectangle.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.geometry import crop

        image = load(context, self.image)
        return save(context, crop(image, self.x, self.y, self.width, self.height, pixel_limit(context)))


@invocation(
    "img_pad_crop", title="Center Pad or Crop Image", tags=["image", "pad", "crop"], category="image", version="1.0.0"
)
class CenterPadCropInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Moves the sides of a picture: outwards with transparent pixels, or inwards."""

    image: ImageField = InputField(description="The picture to pad or crop.")
    left: int = InputField(default=0, description="Pixels added at the left; negative cuts off.")
    right: int = InputField(default=0, description="Pixels added at the right; negative cuts off.")
    top: int = InputField(default=0, description="Pixels added at the top; negative cuts off.")
    bottom: int = InputField(default=0, description="Pixels added at the bottom; negative cuts off.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.geometry import pad_or_crop

        image = load(context, self.image)
        limit = pixel_limit(context)
        return save(context, pad_or_crop(image, self.left, self.right, self.top, self.bottom, limit))


@invocation("img_paste", title="Paste Image", tags=["image", "paste"], category="image", version="1.2.2")
class ImagePasteInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Lays one picture over another."""

    base_image: ImageField = InputField(description="The picture below.")
    image: ImageField = InputField(description="The picture on top.")
    mask: ImageField | None = InputField(
        default=None, description="Black where the upper picture shows, white where not."
    )
    x: int = InputField(default=0, description="Left edge of the upper picture.")
    y: int = InputField(default=0, description="Top edge of the upper picture.")
    crop: bool = InputField(default=False, description="Keep the size of the picture below.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.geometry import paste

        base, image, mask = load(context, self.base_image), load(context, self.image), load_optional(context, self.mask)
        return save(context, paste(base, image, mask, self.x, self.y, self.crop, pixel_limit(context)))


@invocation(
    "crop_image_to_bounding_box",
    title="Crop Image to Bounding Box",
    tags=["image", "crop"],
    category="image",
    version="1.0.0",
)
class CropImageToBoundingBoxInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Cuts a picture down to a box, or to what is visible of it."""

    image: ImageField = InputField(description="The picture to crop.")
    bounding_box: BoundingBoxField | None = InputField(
        default=None, description="The box; without one, transparent margins are cut off."
    )

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.geometry import crop, crop_to_visible

        image = load(context, self.image)
        if self.bounding_box is None:
            return save(context, crop_to_visible(image))
        left, top, right, bottom = self.bounding_box.tuple()
        return save(context, crop(image, left, top, right - left, bottom - top, pixel_limit(context)))


@invocation(
    "paste_image_into_bounding_box",
    title="Paste Image into Bounding Box",
    tags=["image", "crop"],
    category="image",
    version="1.0.0",
)
class PasteImageIntoBoundingBoxInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Puts a picture into a box of exactly its size within another."""

    source_image: ImageField = InputField(description="The picture to paste.")
    target_image: ImageField = InputField(description="The picture to paste into.")
    bounding_box: BoundingBoxField = InputField(description="Where it goes.")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.geometry import paste_into_box

        source, target = load(context, self.source_image), load(context, self.target_image)
        return save(context, paste_into_box(source, target, self.bounding_box.tuple()))


@invocation(
    "flux_kontext_image_prep",
    title="FLUX Kontext Image Prep",
    tags=["image", "concatenate", "flux", "kontext"],
    category="conditioning",
    version="1.0.0",
)
class FluxKontextConcatenateImagesInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Puts reference pictures side by side for FLUX Kontext."""

    images: list[ImageField] = InputField(min_length=1, max_length=10, description="The pictures, the main one first.")
    use_preferred_resolution: bool = InputField(
        default=True, description="Bring the first picture to the nearest size that FLUX Kontext was trained on."
    )

    def invoke(self, context: InvocationContext) -> ImageOutput:
        from invokeai.backend.image.geometry import join_for_kontext

        images = [load(context, field) for field in self.images]
        return save(context, join_for_kontext(images, self.use_preferred_resolution, pixel_limit(context)))
