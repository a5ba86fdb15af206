"""A provider's key travels through every path of a real server, and then nothing it wrote or said may hold it."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio

from tests.simulators.openai import OpenAISimulator
from tests.simulators.simulator import Fault
from tests.studio_process import StudioProcess

TYPED = "sk-typed-canary-4f9b21"
CONFIGURED = "sk-configured-canary-77c0de"
OLD = "sk-old-canary-000111"
BROKEN = "sk-broken-canary-55aa\u201d"
"""Copied with a quotation mark that no header takes."""
SECRETS = (TYPED, CONFIGURED, OLD, BROKEN[:-1])
MODEL = "openai/gpt-image-2.6-flare"
READ = (
    "/openapi.json",
    "/metrics",
    "/api/v1/app/config",
    "/api/v1/app/runtime_config",
    "/api/v1/app/external_providers/config",
    "/api/v1/app/external_providers/status",
    "/api/v2/models/",
    "/api/v1/queue/default/list_all",
    "/api/health/images",
    "/api/images/models",
    "/v1/models",
    "/api/v1/queue/default/i/1",
    "/api/image-models",
    "/api/v1/app/spend?by=model",
    "/api/v1/images/?limit=50",
)


@pytest.fixture
def simulator() -> Iterator[OpenAISimulator]:
    simulator = OpenAISimulator()
    simulator.start()
    yield simulator
    simulator.stop()


async def test_no_key_is_in_logs_errors_events_metadata_records_or_documents(
    tmp_path: Path, simulator: OpenAISimulator
) -> None:
    heard: list[str] = []
    said: list[str] = []
    settings = {
        "INVOKEAI_PROVIDER_BASE_URLS": json.dumps({"openai": simulator.base_url}),
        "INVOKEAI_LOG_LEVEL": "debug",
    }
    studio = StudioProcess(tmp_path / "root", settings=settings)
    async with socketio.AsyncSimpleClient() as socket, httpx.AsyncClient(timeout=60) as client:
        await asyncio.to_thread(studio.start)
        try:
            await listen(socket, studio, heard)
            ask = Asker(client, studio.base_url, said)
            await ask("POST", "/api/v1/app/external_providers/config/openai", json={"api_key": OLD})
            await trouble(ask, simulator)  # a wrong key, which the provider quotes in its answer
            await ask("POST", "/api/v1/app/external_providers/config/openai", json={"api_key": BROKEN})
            await trouble(ask, simulator)
            simulator.key = TYPED
            await ask("POST", "/api/v1/app/external_providers/config/openai", json={"api_key": TYPED})
            await trouble(ask, simulator)
            for path in READ:
                await ask("GET", path)
            assert len(simulator.ledger) >= 2, "pictures were made"
            await ask("DELETE", "/api/v1/app/external_providers/config/openai")
        finally:
            await asyncio.to_thread(studio.stop)
    simulator.key = CONFIGURED
    studio._settings["OPENAI_API_KEY"] = CONFIGURED
    async with httpx.AsyncClient(timeout=60) as client:
        await asyncio.to_thread(studio.start)
        try:
            await trouble(Asker(client, studio.base_url, said), simulator)
            await asyncio.to_thread(studio.kill)
            await asyncio.to_thread(studio.start)
            for path in READ:
                await Asker(client, studio.base_url, said)("GET", path)
        finally:
            await asyncio.to_thread(studio.stop)
    assert heard and said
    assert not found_in(" ".join(heard)), "in an event"
    assert not found_in(" ".join(said)), "in an answer"
    assert not found_in(studio.log_text()), "in the log"
    for path in studio.root.rglob("*"):
        if path.is_file():
            assert not found_in(path.read_bytes().decode("latin-1")), f"in {path.relative_to(studio.root)}"


class Asker:
    """Sends a request and remembers every word of the answer."""

    def __init__(self, client: httpx.AsyncClient, base_url: str, said: list[str]) -> None:
        self._client, self._base_url, self._said = client, base_url, said

    async def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = await self._client.request(method, self._base_url + path, **options)
        self._said.append(f"{answer.headers} {answer.content.decode('latin-1')}")
        return answer


async def trouble(ask: Asker, simulator: OpenAISimulator) -> None:
    """Every way a paid request can go, by the direct route, OpenAI's route and a queued graph."""
    body = {"prompt": "a fox", "model": MODEL, "size": "1024x1024"}
    faults = [None, Fault("trouble", "no money"), Fault("trouble", "refused prompt"), Fault("trouble", "server error")]
    faults += [Fault("cut after"), Fault("garbage")]
    for fault in faults:
        simulator.faults[:] = [fault] if fault else []
        await ask("POST", "/api/images/generate", json={"prompt": "a fox", "model": MODEL})
        await ask("POST", "/v1/images/generations", json=body)
        await ask("POST", "/v1/images/generations", json={**body, "stream": True, "partial_images": 1})
    model = {"key": "openai-gpt-image-2.6-flare", "hash": "external:openai:gpt-image-2.6-flare", "name": "GPT"}
    model |= {"base": "external", "type": "external_image_generator"}
    node = {"id": "n", "type": "openai_image_generation", "model": model, "prompt": "a fox"}
    batch = {"batch": {"graph": {"id": "g", "nodes": {"n": node}, "edges": []}, "runs": 1}}
    await ask("POST", "/api/v1/queue/default/enqueue_batch", json=batch)
    for _ in range(1200):
        status = (await ask("GET", "/api/v1/queue/default/status")).json()["queue"]
        if status["pending"] + status["in_progress"] == 0:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the item did not end")


async def listen(socket: socketio.AsyncSimpleClient, studio: StudioProcess, heard: list[str]) -> None:
    """Write down every event from now on."""
    await socket.connect(studio.base_url, socketio_path="/ws/socket.io", transports=["websocket"])
    socket.client.on("*", lambda name, data: heard.append(f"{name} {data}"))
    await socket.call("subscribe_queue", {"queue_id": "default"})


def found_in(text: str) -> list[str]:
    """The keys that stand in the text."""
    return [secret for secret in SECRETS if secret in text]
