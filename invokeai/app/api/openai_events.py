"""Pictures as OpenAI's event stream: drafts as they come, then one completing event a picture.

What fails before the first bytes is an ordinary error answer; later it is the event `error`. Whoever stops listening
cancels what has not left yet; what is paid for is stored all the same.
Source of the format: OpenAI's published OpenAPI document and the openai 3.52 package.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fastapi.responses import StreamingResponse

from invokeai.app.api.openai_route import answer_to
from invokeai.app.services.shared.database.base import DatabaseError
from invokeai.app.services.shared.errors import ServiceError

if TYPE_CHECKING:
    from PIL.Image import Image

    from invokeai.app.services.image_providers.gallery_generation import StoredGeneration
    from invokeai.app.services.image_providers.generation import ProgressListener

Facts = dict[str, Any]
Work = Callable[["ProgressListener"], Any]
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
FIRST_SECONDS = 10.0
"""How long an error can still be an answer with a status of its own."""
QUIET_SECONDS = 15.0
"""Something is sent at least so often, so that no proxy takes the connection for a dead one."""


async def event_stream(
    kind: str,
    drafts: int,
    work: Work,
    completed: Callable[[StoredGeneration], Awaitable[list[Facts]]],
) -> StreamingResponse:
    """The stream of `work`, whose events are called `kind` (`image_generation` or `image_edit`).

    `work` is given a listener for drafts and returns a coroutine that generates and stores. At most `drafts` are sent.

    Raises:
        what `work` raises soon.
    """
    shown: asyncio.Queue[Image] = asyncio.Queue()

    def listen(_: str, __: float | None, image: Image | None) -> None:
        if image is not None:
            shown.put_nowait(image)

    making: asyncio.Task[StoredGeneration] = asyncio.create_task(work(listen))
    begun: Image | None = None
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                begun = await _next(making, shown)
    except asyncio.CancelledError:
        making.cancel()
        raise

    async def lines() -> AsyncIterator[bytes]:
        number = 0
        try:
            async for image in _drafts(making, shown, begun):
                if image is None:
                    yield b": still at work\n\n"
                elif number < drafts:
                    b64 = await asyncio.to_thread(_base64_png, image)
                    size = f"{image.width}x{image.height}"
                    facts = {"b64_json": b64, "size": size, "output_format": "png", "partial_image_index": number}
                    yield _line(f"{kind}.partial_image", facts)
                    number += 1
            for facts in await completed(making.result()):
                yield _line(f"{kind}.completed", facts)
        except (ServiceError, DatabaseError) as error:  # the status has been sent: it can be said here alone
            yield _line("error", json.loads(bytes(answer_to(error).body)))
        finally:
            making.cancel()

    return StreamingResponse(lines(), media_type="text/event-stream", headers=HEADERS)


async def _drafts(
    making: asyncio.Task[Any], shown: asyncio.Queue[Image], begun: Image | None
) -> AsyncIterator[Image | None]:
    """Drafts until the work is done; None after a while without one."""
    image = begun
    while image is not None or not making.done() or not shown.empty():
        yield image
        image = None
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS):
                image = await _next(making, shown)


async def _next(making: asyncio.Task[Any], shown: asyncio.Queue[Image]) -> Image | None:
    """The next draft, or None when the work ended well. Raises what it raises."""
    if not shown.empty():
        return shown.get_nowait()
    draft = asyncio.ensure_future(shown.get())
    try:
        await asyncio.wait({making, draft}, return_when=asyncio.FIRST_COMPLETED)
        if not draft.done() and shown.empty():
            making.result()
            return None
        return await draft
    finally:
        draft.cancel()


def _line(kind: str, facts: Facts) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **facts})}\n\n".encode()


def _base64_png(image: Image) -> str:
    import pybase64

    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return pybase64.b64encode_as_string(buffer.getvalue())
