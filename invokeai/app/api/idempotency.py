"""The header `Idempotency-Key` of requests that make pictures: the same key and the same request are one call.

Source: the IETF draft "The Idempotency-Key HTTP Header Field", without its quotation marks, as programs send it.
"""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Annotated

from fastapi import Header
from pydantic import BaseModel

from invokeai.app.services.image_providers.idempotent_calls import KeyedRequest

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A text of your own for this request. A repeat with it is answered with the same pictures.",
    ),
]


async def keyed_request(
    user_id: str, key: str | None, what: str, body: BaseModel, pictures: int = 1, files: Sequence[bytes] = ()
) -> KeyedRequest | None:
    """The request to do `what` with `body` and `files`, for so many pictures, where it has a key.

    Raises:
        InvalidInput: the key is none.
    """
    if key is None:
        return None
    marks = await asyncio.to_thread(lambda: [hashlib.sha256(file).hexdigest() for file in files])
    asked = json.dumps([what, body.model_dump(mode="json"), marks], sort_keys=True)  # takes numbers of any size
    return KeyedRequest.of(user_id, key, asked.encode(), pictures)
