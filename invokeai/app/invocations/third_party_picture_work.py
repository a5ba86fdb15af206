"""Work on one given picture by a provider: upscale it, or remove its background. One call a run, and one picture.

What the model cannot take is refused before anything is sent. The editor has no empty number: 0 stands for one that is
not set.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from invokeai.app.invocations.third_party_image_generation import FORMAT, ThirdPartyNode, model_name
from invokeai.invocation_api import (
    AsyncInvocationContext,
    BaseModelType,
    ImageField,
    ImageOutput,
    InputField,
    ModelIdentifierField,
    ModelType,
    invocation,
    request_on,
    see_through,
)

if TYPE_CHECKING:
    from PIL.Image import Image


def _model_field() -> Any:
    return InputField(
        description="The provider's model.",
        ui_model_base=BaseModelType.External,
        ui_model_type=ModelType.SpandrelImageToImage,
        ui_model_format=FORMAT,
    )


def _image_field() -> Any:
    return InputField(description="The picture to work on.")


class PictureWorkNode(ThirdPartyNode):
    """What nodes share that have a provider work on one picture."""

    async def _work(
        self,
        context: AsyncInvocationContext,
        picture: "Image",
        model: ModelIdentifierField,
        finish: Callable[[Any], Any] | None = None,
        **asked: Any,
    ) -> ImageOutput:
        """The one picture that the model makes, stored. `finish` as in `_make`, `asked` as in `request_on`."""
        request = request_on(
            context.services.image_generation,
            picture,
            model=model_name(model),
            most_pixels=context.services.config.max_image_pixels,
            call_id=f"{context.session_id}:{context.node_id}",
            on_progress=lambda message, share, preview: context.util.signal_progress(message, share, preview),
            **asked,
        )
        (dto,) = await see_through(self._make(context, request, finish), context.scope.cancel)
        return ImageOutput.build(dto)


@invocation(
    "third_party_image_upscale",
    title="Third-Party Image Upscale",
    tags=["external", "upscale", "cloud"],
    category="upscale",
    version="1.0.0",
)
class ThirdPartyImageUpscaleInvocation(PictureWorkNode):
    """Enlarges a picture with a provider's model. A setting that the model does not know is refused, never ignored."""

    image: ImageField = _image_field()
    model: ModelIdentifierField = _model_field()
    scale: float = InputField(default=0, ge=0, le=16, description="Times the sides; 0: the model's own scale.")
    prompt: str = InputField(default="", description="What the picture shows, for models that take words.")
    creativity: float | None = InputField(
        default=None, ge=0, le=1, description="How much the model may invent; 0: the model's own."
    )
    seed: int | None = InputField(default=None, description="Seed; none lets the provider choose.")

    async def invoke(self, context: AsyncInvocationContext) -> ImageOutput:
        """Enlarge the picture and store it."""
        return await self._work(
            context,
            await context.images.get_pil(self.image.image_name),
            self.model,
            mode="upscale",
            scale=self.scale or None,
            prompt=self.prompt,
            strength=self.creativity or None,
            seed=self.seed,
        )


@invocation(
    "third_party_background_removal",
    title="Third-Party Background Removal",
    tags=["external", "background", "transparency", "cloud"],
    category="image",
    version="1.0.0",
)
class ThirdPartyBackgroundRemovalInvocation(PictureWorkNode):
    """Makes a picture's background transparent with a provider's model."""

    image: ImageField = _image_field()
    model: ModelIdentifierField = _model_field()

    async def invoke(self, context: AsyncInvocationContext) -> ImageOutput:
        """Remove the background and store the picture, with alpha."""
        picture = await context.images.get_pil(self.image.image_name)
        return await self._work(context, picture, self.model, mode="remove_background")
