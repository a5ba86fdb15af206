"""What the image router takes and answers, as JSON.

A cost is an amount with its kind, or null where nobody knows; it is never an invented 0. A request with a member that
is not known here is refused.
"""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from invokeai.app.services.image_providers.capabilities import ExternalModelCapabilities, ImageMode
from invokeai.app.services.image_providers.generation import CostKind
from invokeai.app.services.image_providers.image_model import PictureWork

MAX_IMAGES = 100

Fallback = Annotated[
    list[str], Field(max_length=8, description="Models that may be used where the one before certainly cost nothing.")
]


class _Wire(BaseModel):
    model_config = ConfigDict(defer_build=True, protected_namespaces=())


class _Asked(_Wire):
    """What a program asks for: nothing that is not known here, as it would be dropped in silence."""

    model_config = ConfigDict(defer_build=False, extra="forbid")

    more: ClassVar[str] = ""
    """A sentence on where there is more."""

    @model_validator(mode="before")
    @classmethod
    def _all_known(cls, values: Any) -> Any:
        unknown = [str(name) for name in values if name not in cls.model_fields] if isinstance(values, dict) else []
        if unknown:
            words = {"unknown": ", ".join(unknown), "known": ", ".join(cls.model_fields), "more": cls.more}
            sentence = "This call knows no {unknown}; it takes {known}.{more}"
            raise PydanticCustomError("unknown_members", sentence, words)
        return values


class ImageModelInfo(_Wire):
    """A model that can be named in a request, by `id`."""

    id: str
    provider: str
    model_id: str
    name: str
    description: str
    capabilities: ExternalModelCapabilities
    supports_strength: bool
    work: PictureWork | None = Field(description="What it takes to upscale or to remove a background, if it can.")


class ImageModelList(_Wire):
    """The models that can be used now."""

    models: list[ImageModelInfo]


class CostInfo(_Wire):
    """A cost: decimal text or null, and whether it was reported, computed, estimated or is unknown."""

    amount: str | None
    currency: str
    kind: CostKind


class GenerateImagesRequest(_Asked):
    """What to generate, or what to do with `init_image`: upscale it by `scale`, or remove its background.

    Pictures are named as in the gallery. Width and height are for generating alone; they are the model's own where they
    are left out.
    """

    prompt: str = ""
    model: str | None = None
    mode: ImageMode = "txt2img"
    negative_prompt: str | None = None
    seed: int | None = None
    num_images: int = Field(default=1, ge=1, le=MAX_IMAGES)
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    image_size: str | None = None
    steps: int | None = Field(default=None, ge=1)
    guidance: float | None = Field(default=None, ge=0)
    strength: float | None = Field(default=None, ge=0, le=1)
    scale: float | None = Field(default=None, gt=0, le=16)
    init_image: str | None = None
    mask_image: str | None = None
    reference_images: list[str] = Field(default_factory=list, max_length=32)
    options: dict[str, Any] = Field(default_factory=dict)
    board_id: str | None = None
    fallback: Fallback = []


class ImageEstimate(_Wire):
    """What a request would cost: one figure a call, and their sum where all are known in one currency."""

    provider: str
    model: str
    calls: list[CostInfo]
    total: CostInfo


class GenerateImagesResponse(_Wire):
    """The stored pictures and how they came about."""

    images: list[dict[str, Any]]
    provider: str
    model: str
    cost: CostInfo
    seconds: float
    request_id: str | None
    note: str | None
    asked: str | None = Field(default=None, description="The model asked for, where a fallback was used.")


class ProviderHealth(_Wire):
    """One provider now, and its counters since the server started."""

    provider: str
    display_name: str
    available: bool
    reason: str | None
    in_flight: int
    waiting: int
    requests: int
    images: int
    seconds: float
    failures: dict[str, int]
    circuit: str
    keys_set_aside: int
    last_failure: str | None


class ImageHealth(_Wire):
    """Whether pictures can be made."""

    status: str
    providers: list[ProviderHealth]


class ProviderModels(_Wire):
    """A provider and its models, usable or not."""

    provider: str
    display_name: str
    description: str
    available: bool
    reason: str | None
    default_model: str
    models: list[ImageModelInfo]


class GroupedImageModels(_Wire):
    """All models by provider, and what a request without a model would use, or the reason there is nothing."""

    providers: list[ProviderModels]
    current_provider: str | None
    current_model: str | None
    reason: str | None


class GenerateImageForm(_Asked):
    """A picture in one call. `style` and `image_type` are added to the prompt, in words. No size: the model's own."""

    more: ClassVar[str] = " POST /api/images/generate takes more."

    prompt: str
    style: str | None = None
    image_type: str | None = None
    model: str | None = None
    size: Annotated[str, StringConstraints(pattern=r"^\d{1,5}x\d{1,5}$")] | None = None
    fallback: Fallback = []


class GenerateImageAnswer(_Wire):
    """Where the picture is, and how it came about."""

    success: bool
    image_url: str
    image_path: str
    prompt: str
    service: str
    model: str
    generation_time: float
    cost: CostInfo
