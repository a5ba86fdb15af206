"""OpenAI's picture stream: drafts on the way, and the last event kept as if the answer had come whole.

Only the event that completes the picture counts as the answer; a draft is shown and forgotten, a damaged one passed.
Source of the format: OpenAI's published OpenAPI document and the openai 3.52 package.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from invokeai.app.services.image_providers.http_answer import AnswerLost, HttpCall, json_in
from invokeai.app.services.image_providers.http_provider import MAX_ANSWER_BYTES, whole_answer
from invokeai.app.services.image_providers.picture_addresses import UnsafePicture, check_picture

if TYPE_CHECKING:
    import httpx
    from PIL.Image import Image

    from invokeai.app.services.image_providers.generation import ProgressListener
    from invokeai.app.services.image_providers.http_provider import AnswerReader
    from invokeai.app.services.image_providers.picture_places import WaitingBytes

logger = logging.getLogger(__name__)

DRAFT_SIDE = 512
"""Drafts are shown no larger than this."""


def streamed(call: HttpCall, drafts: int) -> HttpCall:
    """The same call, asking for a stream with that many drafts (0 to 3)."""
    if call.form is not None:
        return replace(call, form={**call.form, "stream": "true", "partial_images": str(drafts)})
    return replace(call, json={**call.json, "stream": True, "partial_images": drafts})


def stream_reader(drafts: int, on_progress: ProgressListener | None) -> AnswerReader:
    """Reads a stream to its last event; an answer that is no stream (an error before it began) as ever."""

    async def read(answer: httpx.Response) -> bytes | WaitingBytes:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            return await whole_answer(answer)
        async for event in events_of(answer):
            kind = str(event.get("type") or "")
            if kind.endswith(".partial_image"):
                await _show(event, drafts, on_progress)
            elif kind.endswith(".completed"):
                return await asyncio.to_thread(_as_whole, event)
            elif kind == "error" or "error" in event:
                return json.dumps({"error": event.get("error") or event}).encode()
        raise AnswerLost("the stream ended before the picture")

    return read


async def events_of(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The JSON of each `data:` line of a stream, up to `[DONE]`.

    Raises:
        UnsafePicture: it is longer than any answer may be.
        AnswerLost: a line is no JSON.
    """
    line, size = bytearray(), 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise UnsafePicture(f"more than {MAX_ANSWER_BYTES} bytes")
        *ends, rest = part.split(b"\n")
        for end in ends:
            line += end
            text, line = bytes(line).strip(), bytearray()
            if text == b"data: [DONE]":
                return
            if text.startswith(b"data:"):
                yield await asyncio.to_thread(_event, text[5:])
        line += rest


def _event(text: bytes) -> dict[str, Any]:
    try:
        value = json_in(text)
    except ValueError:
        raise AnswerLost("a line of the stream is damaged") from None
    return value if isinstance(value, dict) else {}


def _as_whole(event: dict[str, Any]) -> bytes:
    """The completing event in the shape of an answer that came whole."""
    facts = {name: value for name, value in event.items() if name not in ("type", "b64_json")}
    return json.dumps({**facts, "data": [{"b64_json": event.get("b64_json")}]}).encode()


async def _show(event: dict[str, Any], drafts: int, on_progress: ProgressListener | None) -> None:
    if on_progress is None:
        return
    try:
        image = await asyncio.to_thread(draft_in, str(event.get("b64_json") or ""))
    except (ValueError, OSError, UnsafePicture):
        logger.info("A draft could not be shown")
        return
    number = int(event.get("partial_image_index") or 0) + 1
    on_progress(f"Draft {number} of {drafts}", number / (drafts + 1), image)


def draft_in(text: str) -> Image:
    """The picture in a base64 text, small enough to be shown on the way.

    Raises:
        ValueError, OSError, UnsafePicture: it is none, or nothing that may be opened.
    """
    import pybase64
    from PIL import Image as Pillow

    data = pybase64.b64decode(text, validate=True)
    check_picture(data)
    image = Pillow.open(io.BytesIO(data))
    image.thumbnail((DRAFT_SIDE, DRAFT_SIDE))
    return image
