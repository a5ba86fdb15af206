"""The nodes that the web UI itself builds to process a picture and as a canvas filter: they do what their model is for.

One call a run: a scale that the model does not have is reached by its next larger one, and resampling. The UI sends
its prompt and seed along with every model, so here, and only here, a model without words or seeds does without them.
"""

import io
from typing import Any

from invokeai.app.invocations.third_party_image_generation import model_name
from invokeai.app.invocations.third_party_picture_work import PictureWorkNode
from invokeai.invocation_api import (
    AsyncInvocationContext,
    ImageField,
    ImageOutput,
    InputField,
    InvalidInput,
    ModelIdentifierField,
    ModelType,
    PictureWork,
    invocation,
)


@invocation("spandrel_image_to_image", title="Image-to-Image", tags=["upscale"], category="upscale", version="1.3.0")
class SpandrelImageToImageInvocation(PictureWorkNode):
    """Upscales a picture by the model's own scale, or removes its background, as the provider's model does."""

    image: ImageField = InputField(description="The picture to work on.")
    image_to_image_model: ModelIdentifierField = InputField(
        title="Image-to-Image Model",
        description="The provider's model.",
        ui_model_type=ModelType.SpandrelImageToImage,
    )
    tile_size: int = InputField(default=512, description="Not used: providers divide pictures as they see fit.")
    prompt: str = InputField(default="", description="What the picture shows, for models that take words.")
    seed: int | None = InputField(default=None, description="Seed, for models that take one.")

    async def invoke(self, context: AsyncInvocationContext) -> ImageOutput:
        """Run the model and store the picture."""
        picture = await context.images.get_pil(self.image.image_name)
        asked, _ = self._task(context)
        return await self._work(context, picture, self.image_to_image_model, **asked)

    def _task(self, context: AsyncInvocationContext) -> tuple[dict[str, Any], PictureWork]:
        """What the model is asked for, and what it takes."""
        model = context.services.image_generation.route(model_name(self.image_to_image_model)).model
        if model.work is None:
            raise InvalidInput(f"{model.name} makes pictures of words; it neither upscales nor removes backgrounds.")
        asked = {
            "mode": "upscale" if "upscale" in model.capabilities.modes else "remove_background",
            "prompt": self.prompt if model.work.words != "none" else "",
            "seed": self.seed if model.capabilities.supports_seed else None,
        }
        return asked, model.work


@invocation(
    "spandrel_image_to_image_autoscale",
    title="Image-to-Image (Autoscale)",
    tags=["upscale"],
    category="upscale",
    version="1.0.0",
)
class SpandrelImageToImageAutoscaleInvocation(SpandrelImageToImageInvocation):
    """As Image-to-Image, and brings the picture to a scale; what does not upscale keeps the picture's size."""

    scale: float = InputField(default=4.0, gt=0, le=16, description="Times the sides, for models that upscale.")
    fit_to_multiple_of_8: bool = InputField(default=False, description="Whether the sides become multiples of 8.")

    async def invoke(self, context: AsyncInvocationContext) -> ImageOutput:
        """Run the model, bring the picture to its size and store it."""
        asked, work = self._task(context)
        picture = await context.images.get_pil(self.image.image_name)
        enlarges = asked["mode"] == "upscale"
        times, unit = self.scale if enlarges else 1, 8 if self.fit_to_multiple_of_8 else 1
        width, height = (max(unit, round(side * times / unit) * unit) for side in picture.size)
        return await self._work(
            context,
            picture,
            self.image_to_image_model,
            finish=lambda made: _resized(made, (width, height)),
            scale=work.scale_reaching(self.scale) if enlarges else None,
            **asked,
        )


def _resized(made: Any, size: tuple[int, int]) -> Any:
    """The picture, a file or an image, in that size; as it came where it has it."""
    from PIL import Image

    picture = Image.open(io.BytesIO(made)) if isinstance(made, bytes) else made
    if picture.size == size:
        return made
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    return picture.convert(mode).resize(size, Image.Resampling.LANCZOS)
