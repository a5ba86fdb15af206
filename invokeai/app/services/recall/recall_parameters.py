"""Parameters that a program hands to the open UI, say from a picture that it wants repeated.

What cannot be used here is left out of what the UI is told: names of local models, and pictures that do not exist.
"""

from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from invokeai.app.services.client_state.client_state import ClientStateService
from invokeai.app.services.events.events import Event, EventService
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.shared.errors import InvalidInput

Share = Annotated[float, Field(ge=0, le=1)]
AdapterWeight = Annotated[float, Field(ge=-1, le=2)]
Names = Annotated[str, Field(max_length=300)]
MAX_ENTRIES = 100
MAX_NUMBER = 2**53
"""The largest whole number that a browser holds exactly."""
LOCAL_MODEL_MEMBERS = frozenset({"model", "refiner_model", "vae_model", "loras", "control_layers", "ip_adapters"})
LIST_MEMBERS = frozenset({"loras", "control_layers", "ip_adapters", "reference_images"})


class LoRARecallParameter(BaseModel):
    """A LoRA by its name."""

    model_name: Names
    weight: float = Field(default=0.75, ge=-10, le=10)
    is_enabled: bool = True


class ControlNetRecallParameter(BaseModel):
    """A control layer; percentages are shares of the steps."""

    model_name: Names
    image_name: Names | None = None
    weight: AdapterWeight = 1.0
    begin_step_percent: Share | None = None
    end_step_percent: Share | None = None
    control_mode: Literal["balanced", "more_prompt", "more_control"] | None = None


class IPAdapterRecallParameter(BaseModel):
    """An image prompt adapter; percentages are shares of the steps."""

    model_name: Names
    image_name: Names | None = None
    weight: AdapterWeight = 1.0
    begin_step_percent: Share | None = None
    end_step_percent: Share | None = None
    method: Literal["full", "style", "composition"] | None = None
    image_influence: Literal["lowest", "low", "medium", "high", "highest"] | None = None


class ReferenceImageRecallParameter(BaseModel):
    """A reference picture by its name."""

    image_name: Names


class RecallParameter(BaseModel):
    """What to recall; members left out stay as they are in the UI."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    positive_prompt: str | None = None
    negative_prompt: str | None = None
    model: Names | None = None
    refiner_model: Names | None = None
    vae_model: Names | None = None
    scheduler: Names | None = None
    steps: int | None = Field(default=None, ge=1, le=MAX_NUMBER)
    refiner_steps: int | None = Field(default=None, ge=0, le=MAX_NUMBER)
    cfg_scale: float | None = None
    cfg_rescale_multiplier: float | None = None
    refiner_cfg_scale: float | None = None
    guidance: float | None = None
    width: int | None = Field(default=None, ge=64, le=MAX_NUMBER)
    height: int | None = Field(default=None, ge=64, le=MAX_NUMBER)
    seed: int | None = Field(default=None, ge=0, le=MAX_NUMBER)
    denoise_strength: Share | None = None
    refiner_denoise_start: Share | None = None
    clip_skip: int | None = Field(default=None, ge=0, le=MAX_NUMBER)
    seamless_x: bool | None = None
    seamless_y: bool | None = None
    refiner_positive_aesthetic_score: float | None = None
    refiner_negative_aesthetic_score: float | None = None
    loras: list[LoRARecallParameter] | None = Field(default=None, max_length=MAX_ENTRIES)
    control_layers: list[ControlNetRecallParameter] | None = Field(default=None, max_length=MAX_ENTRIES)
    ip_adapters: list[IPAdapterRecallParameter] | None = Field(default=None, max_length=MAX_ENTRIES)
    reference_images: list[ReferenceImageRecallParameter] | None = Field(default=None, max_length=MAX_ENTRIES)


class RecallParametersUpdated(Event):
    """The UI takes these parameters over."""

    event_name: ClassVar[str] = "recall_parameters_updated"

    queue_id: str
    user_id: str
    parameters: dict[str, Any]


class RecallService:
    """Stores what was recalled last and tells the UI."""

    def __init__(self, client_state: ClientStateService, events: EventService, images: ImageService) -> None:
        self._client_state = client_state
        self._events = events
        self._images = images

    async def recall(
        self, queue_id: str, user_id: str, given: RecallParameter, *, strict: bool = False, append: bool = False
    ) -> tuple[int, dict[str, Any]]:
        """Store and publish; how many members were given, and what the UI is told.

        Raises:
            InvalidInput: `strict` (clear what is left out) and `append` (keep the reference images) at once.
        """
        if strict and append:
            raise InvalidInput("Either `strict` or `append` can be chosen, not both.")
        values = given.model_dump(mode="json", exclude_none=True)
        told = {name: value for name, value in values.items() if name not in LOCAL_MODEL_MEMBERS}
        if "reference_images" in told:
            told["reference_images"] = await self._existing(told["reference_images"])
        if strict:
            cleared: dict[str, Any] = {
                name: [] if name in LIST_MEMBERS else None for name in RecallParameter.model_fields
            }
            told = {**cleared, **told}
        await self._client_state.set(user_id, _key(queue_id), orjson.dumps(told).decode())
        self._events.publish(RecallParametersUpdated(queue_id=queue_id, user_id=user_id, parameters=told))
        return len(values), told

    async def last(self, queue_id: str, user_id: str) -> dict[str, Any]:
        """What the UI was told last; empty at first. One round trip."""
        text = await self._client_state.get(user_id, _key(queue_id))
        values: dict[str, Any] = orjson.loads(text) if text else {}
        return values

    async def _existing(self, pictures: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = {dto.image_name: dto for dto in await self._images.get_dtos([p["image_name"] for p in pictures])}
        entries = []
        for picture in pictures:
            if dto := found.get(picture["image_name"]):
                size = {"image_name": dto.image_name, "width": dto.width, "height": dto.height}
                entries.append({**picture, "image": size})
        return entries


def _key(queue_id: str) -> str:
    return f"recall_parameters:{queue_id[:200]}"
