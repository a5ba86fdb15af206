"""Pictures asked for without a graph: generated, then stored in the gallery with everything needed to recall them."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson

from invokeai.app.services.image_providers.generation import Cost, CostKind, ImageRequest, ImageResult, total_cost
from invokeai.app.services.image_providers.image_model import GENERATOR_TYPE, model_hash, model_key
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager, Route
from invokeai.app.services.image_providers.pictures import make_pictures
from invokeai.app.services.image_providers.receipts import CallKey
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.images.generated_names import generated_name

if TYPE_CHECKING:
    from invokeai.app.services.images.images import ImageService


NODE = "generate"
"""What stands for the node's id, as there is no graph."""
NAMES_OF_RESULT = ("provider_id", "model_id", "request_id", "note", "asked")
"""What is told of a result, but for its pictures and cost."""


@dataclass(frozen=True, slots=True)
class GalleryCall:
    """Which generation it is: names of calls and pictures follow from it, so that a repeat makes nothing twice.

    `left_for` is the model (`provider/model`) that an earlier run was sent to, where one was. `begun` is what that run
    stored, if anything, by its first `calls_done` calls: these are not asked for again.
    """

    call_id: str = field(default_factory=lambda: f"api-{uuid.uuid4()}")
    left_for: str | None = None
    begun: StoredGeneration | None = None
    calls_done: int = 0


@dataclass(frozen=True, slots=True)
class StoredGeneration:
    """The stored pictures (ImageDTOs), what the last call answered, what all of them cost, and the seconds it took."""

    images: list[Any]
    result: ImageResult
    cost: Cost
    seconds: float

    def facts(self) -> str:
        """All of it as JSON, pictures by name."""
        result = {name: getattr(self.result, name) for name in NAMES_OF_RESULT}
        names = [image.image_name for image in self.images]
        return orjson.dumps(
            {"images": names, "result": result, "cost": asdict(self.cost), "seconds": self.seconds}
        ).decode()

    @classmethod
    def told_by(cls, facts: str) -> tuple[StoredGeneration, list[str]]:
        """What `facts` tells, still without pictures, and their names."""
        told = orjson.loads(facts)
        cost = Cost(**{**told["cost"], "kind": CostKind(told["cost"]["kind"])})
        return cls([], ImageResult(images=(), **told["result"]), cost, told["seconds"]), told["images"]


async def generate_to_gallery(
    manager: ImageServiceManager,
    images: ImageService,
    request: ImageRequest,
    *,
    user_id: str,
    board_id: str | None = None,
    call: GalleryCall | None = None,
) -> StoredGeneration:
    """Generate and store. Pictures of calls that succeeded stay when a later call fails. `call`: None is a new one.

    Raises:
        ProviderError, NotFound: as `ImageServiceManager.generate`.
    """
    started = time.monotonic()
    call = call or GalleryCall()
    if request.model is None and call.left_for:  # what is usual may be another one by now
        request = replace(request, model=call.left_for)
    key = CallKey(call.call_id, NODE, user_id=user_id)
    metadata = recall_metadata(request, manager.usable_route(request))
    stored: list[Any] = list(call.begun.images) if call.begun else []
    results: list[ImageResult] = []
    async for picture in make_pictures(manager, request, key, metadata=metadata, calls_done=call.calls_done):
        result = picture.result
        if not results or result is not results[-1]:
            results.append(result)
        name = generated_name(call.call_id, key.node_id, len(stored))
        if result.asked:
            picture.metadata["model"] = model_metadata(result.provider_id, result.model_id, result.model_id)
        dto = await images.create(
            picture.image,
            image_origin=ResourceOrigin.INTERNAL,
            image_category=ImageCategory.GENERAL,
            image_name=name,
            board_id=board_id,
            metadata=orjson.dumps({**picture.metadata, "seed": picture.metadata.get("external_seed")}).decode(),
            user_id=user_id,
        )
        stored.append(dto)
    costs = [result.cost for result in results]
    if call.begun:
        costs.append(call.begun.cost)
    last = results[-1] if results or not call.begun else call.begun.result  # a call that succeeds has a picture
    return StoredGeneration(stored, last, total_cost(costs), time.monotonic() - started)


def recall_metadata(request: ImageRequest, route: Route) -> dict[str, Any]:
    """What the UI recalls a picture's settings from, in the members that graphs write."""
    provider_id, model = route.provider.info.provider_id, route.model
    return {
        "generation_mode": request.mode,
        "positive_prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "width": request.width,
        "height": request.height,
        "steps": request.steps,
        "strength": request.strength,
        "upscale_scale": request.scale,
        "model": model_metadata(provider_id, model.model_id, model.name, model.record_type),
    }


def model_metadata(provider_id: str, model_id: str, name: str, record_type: str = GENERATOR_TYPE) -> dict[str, str]:
    """The model as metadata names it."""
    return {
        "key": model_key(provider_id, model_id),
        "hash": model_hash(provider_id, model_id),
        "name": name,
        "base": "external",
        "type": record_type,
    }
