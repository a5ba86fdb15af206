"""Streams that last: quiet ones stay awake, and what ends badly or is left says so or stops."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from invokeai.app.api import openai_events
from invokeai.app.api.openai_events import event_stream
from invokeai.app.services.image_providers.provider_errors import ProviderRefused


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_events, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(openai_events, "QUIET_SECONDS", 0.01)


class Work:
    """Waits until it is released, then ends as `end` says."""

    def __init__(self, end: Any = "picture") -> None:
        self.end, self.released, self.canceled = end, asyncio.Event(), False

    async def __call__(self, listen: Any) -> Any:
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.canceled = True
            raise
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    async def lines(self) -> AsyncIterator[Any]:
        async def completed(done: Any) -> list[dict[str, Any]]:
            return [{"b64_json": done}]

        return (await event_stream("image_edit", 0, self, completed)).body_iterator.__aiter__()  # type: ignore[return-value]


async def test_a_quiet_stream_is_kept_awake_until_the_picture_comes() -> None:
    work = Work()
    lines = await work.lines()
    for _ in range(3):
        assert await anext(lines) == b": still at work\n\n"
    work.released.set()
    rest = [line async for line in lines if not line.startswith(b":")]
    assert rest == [b'event: image_edit.completed\ndata: {"type": "image_edit.completed", "b64_json": "picture"}\n\n']


async def test_a_late_refusal_is_an_event_in_openais_words() -> None:
    work = Work(ProviderRefused("no foxes", stage="prompt"))
    lines = await work.lines()
    await anext(lines)
    work.released.set()
    (last,) = [line async for line in lines if not line.startswith(b":")]
    assert last.startswith(b"event: error\n") and b'"code": "moderation_blocked"' in last.replace(b'":"', b'": "')
    assert b"no foxes" in last


async def test_whoever_stops_listening_cancels_what_has_not_left() -> None:
    work = Work()
    lines = await work.lines()
    await anext(lines)
    await lines.aclose()  # type: ignore[attr-defined]
    while not work.canceled:
        await asyncio.sleep(0)
