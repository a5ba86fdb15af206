"""State of the UI. The body of a write is stored as it came, except that a JSON body must be a JSON string."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request

from invokeai.app.api.auth import CurrentUserDep
from invokeai.app.api.dependencies import ServicesDep
from invokeai.app.services.shared.errors import InvalidInput

client_state_router = APIRouter(prefix="/v1/client_state", tags=["client_state"])

QueueId = Annotated[str, Path(description="Kept for compatibility; state belongs to the user.")]
Key = Annotated[str, Query(description="Key of the value.")]
_TEXT_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "string", "title": "Value", "description": "The value."}}},
    }
}


@client_state_router.get("/{queue_id}/get_by_key", operation_id="get_client_state_by_key")
async def get_client_state_by_key(
    services: ServicesDep, user: CurrentUserDep, queue_id: QueueId, key: Key
) -> str | None:
    """The stored text, or null."""
    return await services.client_state.get(user.user_id, key)


@client_state_router.post("/{queue_id}/set_by_key", operation_id="set_client_state", openapi_extra=_TEXT_BODY)
async def set_client_state(
    services: ServicesDep, user: CurrentUserDep, request: Request, queue_id: QueueId, key: Key
) -> str:
    """Store the body and answer it as a JSON string."""
    value = _text(await request.body(), request.headers.get("content-type", ""))
    await services.client_state.set(user.user_id, key, value)
    return value


@client_state_router.get("/{queue_id}/get_keys_by_prefix", operation_id="get_client_state_keys_by_prefix")
async def get_client_state_keys_by_prefix(
    services: ServicesDep,
    user: CurrentUserDep,
    queue_id: QueueId,
    prefix: Annotated[str, Query(description="What the keys begin with.")],
) -> list[str]:
    """Keys that begin with the prefix."""
    return await services.client_state.keys(user.user_id, prefix)


@client_state_router.post("/{queue_id}/delete_by_key", operation_id="delete_client_state_by_key")
async def delete_client_state_by_key(services: ServicesDep, user: CurrentUserDep, queue_id: QueueId, key: Key) -> Any:
    """Forget one key."""
    await services.client_state.delete(user.user_id, key)


@client_state_router.post("/{queue_id}/delete", operation_id="delete_client_state")
async def delete_client_state(services: ServicesDep, user: CurrentUserDep, queue_id: QueueId) -> Any:
    """Forget everything the UI stored."""
    await services.client_state.delete_all(user.user_id)


def _text(body: bytes, content_type: str) -> str:
    if content_type.partition(";")[0].strip().lower().endswith("json"):
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"The body is not valid JSON: {error}.") from None
        if not isinstance(value, str):
            raise InvalidInput("A JSON body must be a string; send other values as text/plain.")
        return value
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidInput("The body is not UTF-8 text.") from None
