"""Lets a program put parameters into the open UI."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query

from invokeai.app.api.auth import CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.recall.recall_parameters import RecallParameter

recall_parameters_router = APIRouter(prefix="/v1/recall", tags=["recall"])

QueueId = Annotated[str, Path(description="Queue whose UI is meant.")]


@recall_parameters_router.post("/{queue_id}", operation_id="update_recall_parameters")
async def update_recall_parameters(
    services: ServicesDep,
    user: CurrentUserDep,
    queue_id: QueueId,
    parameters: Annotated[RecallParameter, Body(description="What to recall.")],
    strict: Annotated[bool, Query(description="Clear what is left out.")] = False,
    append: Annotated[bool, Query(description="Add reference images to those that are there.")] = False,
) -> dict[str, Any]:
    """Store the parameters and hand them to the UI."""
    count, told = await services.recall.recall(queue_id, user.user_id, parameters, strict=strict, append=append)
    return {"status": "success", "queue_id": queue_id, "updated_count": count, "parameters": told}


@recall_parameters_router.get("/{queue_id}", operation_id="get_recall_parameters")
async def get_recall_parameters(services: ServicesDep, user: CurrentUserDep, queue_id: QueueId) -> dict[str, Any]:
    """What was handed to the UI last."""
    last = await services.recall.last(queue_id, user.user_id)
    return {"status": "success", "queue_id": queue_id, "parameters": last}
