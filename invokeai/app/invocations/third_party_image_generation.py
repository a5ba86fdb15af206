"""Pictures from image providers. One node takes any provider's model; the provider-named ones add a provider's options.

The node waits on the event loop, so hundreds may wait at once; a run repeated after a crash names the same call again.
"""

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from invokeai.invocation_api import (
    AsyncInvocationContext,
    BaseInvocation,
    BaseModelType,
    CallKey,
    ImageCollectionOutput,
    ImageField,
    ImageRequest,
    InputField,
    InvalidInput,
    ModelIdentifierField,
    ModelType,
    WithBoard,
    WithMetadata,
    cost_text,
    invocation,
    make_pictures,
    see_through,
)

if TYPE_CHECKING:
    from PIL.Image import Image

Mode = Literal["txt2img", "img2img", "inpaint"]
FORMAT = "external_api"


def _model_field(provider_id: str | None = None) -> Any:
    return InputField(
        description="The provider's model.",
        ui_model_base=BaseModelType.External,
        ui_model_type=ModelType.ExternalImageGenerator,
        ui_model_format=FORMAT,
        ui_model_provider_id=provider_id,
    )


def _mode_field(ui_hidden: bool = True) -> Any:
    return InputField(default="txt2img", description="What the pictures start from.", ui_hidden=ui_hidden)


def _init_field(ui_hidden: bool = True) -> Any:
    return InputField(default=None, description="The picture to start from.", ui_hidden=ui_hidden)


def _mask_field(ui_hidden: bool = True) -> Any:
    return InputField(default=None, description="Black is made anew, white is kept.", ui_hidden=ui_hidden)


class ThirdPartyNode(BaseInvocation, WithMetadata, WithBoard):
    """What every node shares that has pictures made by a provider."""

    provider_id: ClassVar[str | None] = None
    """The provider whose models the node takes; None takes any."""

    async def _make(
        self, context: AsyncInvocationContext, request: ImageRequest, finish: Callable[[Any], Any] | None = None
    ) -> list[Any]:
        """The stored pictures' records; each is stored as soon as it is there, paid ones also after a cancel.

        `finish` changes a picture (file or image) before that, on a worker thread.
        """
        key = CallKey(context.session_id, context.node_id, user_id=context.scope.item.user_id)
        given = self.metadata.root if self.metadata else {}
        manager = context.services.image_generation
        saved: list[Any] = []
        async for picture in make_pictures(manager, request, key, metadata=given, provider_id=self.provider_id):
            paid = manager.get_provider(picture.result.provider_id).info.is_paid
            context.util.signal_progress(f"Saving image ({cost_text(picture.result.cost)})" if paid else "Saving image")
            image = await asyncio.to_thread(finish, picture.image) if finish else picture.image
            saved.append(await context.images.save(image, metadata=picture.metadata, although_canceled=paid))
        return saved


def model_name(model: ModelIdentifierField) -> str:
    """What the providers know the model by."""
    return model.hash if model.hash.startswith("external:") else model.key


class ImageGenerationNode(ThirdPartyNode):
    """What all generation nodes share."""

    option_names: ClassVar[tuple[str, ...]] = ()
    """Inputs that go to the provider as options, where they are set."""

    model: ModelIdentifierField = _model_field()
    mode: Mode = _mode_field(ui_hidden=False)
    prompt: str = InputField(description="What to make.")
    seed: int | None = InputField(default=None, description="Seed; none lets the provider choose.")
    num_images: int = InputField(default=1, gt=0, description="How many pictures to make.")
    width: int = InputField(default=1024, gt=0, description="Width in pixels.")
    height: int = InputField(default=1024, gt=0, description="Height in pixels.")
    image_size: str | None = InputField(default=None, description="The provider's word for the size, such as 2K.")
    init_image: ImageField | None = _init_field(ui_hidden=False)
    mask_image: ImageField | None = _mask_field(ui_hidden=False)
    reference_images: list[ImageField] = InputField(default=[], description="Pictures to take after.")

    def given_options(self) -> dict[str, Any]:
        """What goes to the provider as options. A field left at `auto` is not set: the settings' option holds."""
        given = {name: getattr(self, name) for name in self.option_names}
        return {name: value for name, value in given.items() if value not in (None, "auto")}

    async def invoke(self, context: AsyncInvocationContext) -> ImageCollectionOutput:
        """Make the pictures and store each one as soon as it is there; what is paid for, also after a cancel."""
        saved = await see_through(self._make(context, await self._request(context)), context.scope.cancel)
        return ImageCollectionOutput(collection=[ImageField(image_name=dto.image_name) for dto in saved])

    async def _request(self, context: AsyncInvocationContext) -> ImageRequest:
        async def load(field: ImageField | None) -> "Image | None":
            return await context.images.get_pil(field.image_name) if field else None

        references = [await context.images.get_pil(field.image_name) for field in self.reference_images or ()]
        extras: dict[str, Any] = {
            name: getattr(self, name, None) or None for name in ("negative_prompt", "steps", "guidance", "strength")
        }
        size = (self.width, self.height)
        return ImageRequest(
            prompt=self.prompt,
            model=model_name(self.model),
            mode=self.mode,
            seed=self.seed,
            num_images=self.num_images,
            width=self.width,
            height=self.height,
            image_size=self.image_size or None,
            init_image=await load(self.init_image),
            mask_image=await load(self.mask_image),
            reference_images=tuple(references),
            options=self.given_options(),
            fallback=tuple(getattr(self, "fallback", ())),
            call_id=f"{context.session_id}:{context.node_id}",
            on_progress=lambda message, share, image: context.util.signal_progress(message, share, image, size),
            **extras,
        )


@invocation(
    "third_party_image_generation",
    title="Third-Party Image Generation",
    tags=["external", "generation", "cloud"],
    category="image",
    version="1.2.0",
)
class ThirdPartyImageGenerationInvocation(ImageGenerationNode):
    """Makes pictures with any provider's model. A setting that the model does not know is refused, never ignored.

    The editor has no empty number: 0 stands for one that is not set.
    """

    negative_prompt: str | None = InputField(default=None, description="What to avoid.")
    steps: int | None = InputField(default=None, ge=0, description="Number of steps; 0: the model's own.")
    guidance: float | None = InputField(
        default=None, ge=0, description="How closely to follow the prompt; 0: the model's own."
    )
    strength: float | None = InputField(
        default=None, ge=0, le=1, description="How far to leave the initial picture; 0: the model's own."
    )
    options: str | None = InputField(
        default=None, description='The provider\'s own options as JSON, such as {"safety_tolerance": 2}.'
    )
    fallback: list[str] = InputField(
        default=[], description="Models (provider/model) that may be used where the one before certainly cost nothing."
    )

    def given_options(self) -> dict[str, Any]:
        """The JSON object.

        Raises:
            InvalidInput: it is none.
        """
        try:
            options = json.loads(self.options or "{}")
        except ValueError:
            options = None
        if not isinstance(options, dict):
            raise InvalidInput(f'The options must be a JSON object, such as {{"safety_tolerance": 2}}: {self.options}')
        return options


@invocation(
    "gemini_image_generation",
    title="Gemini Image Generation",
    tags=["external", "generation", "gemini"],
    category="image",
    version="1.0.0",
)
class GeminiImageGenerationInvocation(ImageGenerationNode):
    """Makes pictures with a Gemini model."""

    provider_id: ClassVar[str | None] = "gemini"
    option_names: ClassVar[tuple[str, ...]] = ("temperature", "thinking_level")

    model: ModelIdentifierField = _model_field("gemini")
    mode: Mode = _mode_field()
    init_image: ImageField | None = _init_field()
    mask_image: ImageField | None = _mask_field()
    temperature: float | None = InputField(default=None, ge=0.0, le=2.0, description="How freely the model varies.")
    thinking_level: Literal["minimal", "high"] | None = InputField(default=None, description="How long it thinks.")


@invocation(
    "openai_image_generation",
    title="OpenAI Image Generation",
    tags=["external", "generation", "openai"],
    category="image",
    version="1.0.0",
)
class OpenAIImageGenerationInvocation(ImageGenerationNode):
    """Makes pictures with an OpenAI model."""

    provider_id: ClassVar[str | None] = "openai"
    option_names: ClassVar[tuple[str, ...]] = ("quality", "background", "input_fidelity", "partial_images")

    model: ModelIdentifierField = _model_field("openai")
    mode: Mode = _mode_field()
    init_image: ImageField | None = _init_field()
    mask_image: ImageField | None = _mask_field()
    quality: Literal["auto", "high", "medium", "low"] = InputField(
        default="auto", description="Quality; sets the price."
    )
    background: Literal["auto", "transparent", "opaque"] = InputField(default="auto", description="The background.")
    input_fidelity: Literal["low", "high"] | None = InputField(default=None, description="Closeness to input pictures.")
    partial_images: int | None = InputField(
        default=None, ge=0, le=3, description="Drafts that are shown while the picture is made; each costs a little."
    )


@invocation(
    "seedream_image_generation",
    title="Seedream Image Generation",
    tags=["external", "generation", "seedream"],
    category="image",
    version="1.1.0",
)
class SeedreamImageGenerationInvocation(ImageGenerationNode):
    """Makes pictures with a Seedream model."""

    provider_id: ClassVar[str | None] = "seedream"
    option_names: ClassVar[tuple[str, ...]] = ("watermark", "optimize_prompt")

    model: ModelIdentifierField = _model_field("seedream")
    mode: Mode = _mode_field()
    mask_image: ImageField | None = _mask_field()
    watermark: bool = InputField(default=False, description="Whether the provider adds its mark.")
    optimize_prompt: bool = InputField(default=False, description="Whether the provider rewrites the prompt.")


@invocation(
    "alibabacloud_image_generation",
    title="Alibaba Cloud DashScope Image Generation",
    tags=["external", "generation", "alibabacloud", "dashscope"],
    category="image",
    version="1.0.0",
)
class AlibabaCloudImageGenerationInvocation(ImageGenerationNode):
    """Makes pictures with a model of Alibaba Cloud."""

    provider_id: ClassVar[str | None] = "alibabacloud"

    model: ModelIdentifierField = _model_field("alibabacloud")
