"""Ark's stream of a series: each picture as it is made, kept together as if the answer had come whole.

A stream that breaks off leaves the pictures that had come: they are paid for. Source of the format: the
volcengine-ark-runtime 5.0.54 package.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from invokeai.app.services.image_providers.http_answer import AnswerLost
from invokeai.app.services.image_providers.http_provider import whole_answer
from invokeai.app.services.image_providers.openai_stream import draft_in, events_of
from invokeai.app.services.image_providers.picture_addresses import UnsafePicture

if TYPE_CHECKING:
    import httpx

    from invokeai.app.services.image_providers.generation import ProgressListener
    from invokeai.app.services.image_providers.http_provider import AnswerReader
    from invokeai.app.services.image_providers.picture_places import WaitingBytes

logger = logging.getLogger(__name__)

BROKEN_OFF = "StreamBrokeOff"


def series_reader(most: int, seconds: float, on_progress: ProgressListener | None) -> AnswerReader:
    """Reads a stream of at most `most` pictures for at most `seconds` from now.

    An answer that is no stream (an error before it began) is read as ever.
    """
    deadline = asyncio.get_running_loop().time() + seconds

    async def read(answer: httpx.Response) -> bytes | WaitingBytes:
        import httpx

        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            return await whole_answer(answer)
        items: list[dict[str, Any]] = []
        facts: dict[str, Any] | None = None
        try:
            async with asyncio.timeout_at(deadline):
                async for event in events_of(answer):
                    facts = await _taken(event, items, most, on_progress)
                    if facts is not None:
                        break
        except (httpx.HTTPError, AnswerLost, TimeoutError, UnsafePicture) as error:
            if not items:
                raise AnswerLost(type(error).__name__) from None
            logger.warning("Ark's stream broke off after %d pictures: %s", len(items), type(error).__name__)
        if not items and facts is None:
            raise AnswerLost("the stream ended before the first picture")
        if facts is None:
            items.append(
                {"error": {"code": BROKEN_OFF, "message": "the stream broke off; there may be more, and paid"}}
            )
        return await asyncio.to_thread(_as_whole, facts or {}, items)

    return read


async def _taken(
    event: dict[str, Any], items: list[dict[str, Any]], most: int, on_progress: ProgressListener | None
) -> dict[str, Any] | None:
    """Put what an event brings to the rest; what the whole answer says, when it was the last one."""
    kind = str(event.get("type") or "")
    if kind.endswith(".partial_succeeded"):
        items.append(event)
        await _show(event, len(items), most, on_progress)
    elif kind.endswith(".partial_failed"):
        items.append({"error": event.get("error") or {}})
    elif kind.endswith(".completed"):
        return {name: value for name, value in event.items() if name != "type"}
    elif "error" in event:
        if not items:
            return {"error": event["error"]}
        items.append({"error": event["error"]})
        return {}
    return None


def _as_whole(facts: dict[str, Any], items: list[dict[str, Any]]) -> bytes:
    kept = ("b64_json", "url", "size", "error")
    data = [{name: item[name] for name in kept if name in item} for item in items]
    model = next((item["model"] for item in items if isinstance(item.get("model"), str)), None)
    return json.dumps({**({"model": model} if model else {}), **facts, "data": data}).encode()


async def _show(event: dict[str, Any], number: int, most: int, on_progress: ProgressListener | None) -> None:
    if on_progress is None:
        return
    try:
        image = await asyncio.to_thread(draft_in, str(event.get("b64_json") or ""))
    except (ValueError, OSError, UnsafePicture):
        logger.info("A picture of a series could not be shown")
        return
    on_progress(f"Picture {number} of at most {most}", number / (most + 1), image)
