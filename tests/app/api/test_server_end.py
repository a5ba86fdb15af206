"""SIGTERM while programs wait for pictures: what was sent is paid for, so it is stored before the server is gone."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.api.test_idempotency import until
from tests.simulators.openai import OpenAISimulator
from tests.simulators.simulator import draw
from tests.studio_process import StudioProcess

LONGER_THAN_REQUESTS_STAY_OPEN = 4.5
ASKED = {"prompt": "a fox", "model": "openai/gpt-image-2.6-flare"}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("/v1/images/generations", {"json": ASKED}),
    "stream": ("/v1/images/generations", {"json": {**ASKED, "stream": True}}),
    "edit": ("/v1/images/edits", {"data": ASKED, "files": {"image": draw(1024, 1024, "a hen")}}),
    "gallery": ("/api/images/generate", {"json": ASKED}),
    "one": ("/api/generate-image", {"json": ASKED}),
}


@pytest.fixture
def service() -> Iterator[OpenAISimulator]:
    simulator = OpenAISimulator()
    simulator.latency = LONGER_THAN_REQUESTS_STAY_OPEN
    simulator.start()
    yield simulator
    simulator.stop()


@pytest.fixture
def studio(tmp_path: Path, service: OpenAISimulator) -> Iterator[StudioProcess]:
    settings = {
        "OPENAI_API_KEY": service.key,
        "INVOKEAI_PROVIDER_BASE_URLS": json.dumps({"openai": service.base_url}),
    }
    process = StudioProcess(tmp_path / "root", settings=settings).start()
    yield process
    process.stop()


def test_what_a_provider_has_begun_when_the_server_ends_is_stored_and_not_paid_twice(
    studio: StudioProcess, service: OpenAISimulator
) -> None:
    def ask(name: str) -> httpx.Response:
        path, what = CALLS[name]
        return httpx.post(studio.base_url + path, headers={"Idempotency-Key": name}, timeout=60, **what)

    def gallery() -> list[str]:
        return httpx.get(f"{studio.base_url}/api/v1/images/names").json()["image_names"]  # type: ignore[no-any-return]

    def leave_at_once() -> None:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(studio.base_url + "/v1/images/generations", json=ASKED, timeout=0.5)

    with ThreadPoolExecutor(len(CALLS) + 1) as pool:
        asked = {name: pool.submit(ask, name) for name in CALLS}
        pool.submit(leave_at_once).result()
        until(lambda: service.paid_requests == len(CALLS) + 1)
        assert studio.stop() == 0, studio.log_text()
        heard = {name: answer.result() for name, answer in asked.items()}
        assert {name: answer.status_code for name, answer in heard.items()} == dict.fromkeys(CALLS, 503)
        assert {answer.headers["x-should-retry"] for answer in heard.values()} == {"false"}
        assert "Idempotency-Key" in heard["plain"].json()["error"]["message"]
        studio.start()
        stored = gallery()
        assert len(stored) == len(service.ledger) == len(CALLS) + 1
        assert {answer.status_code for answer in pool.map(ask, CALLS)} == {200}
    assert gallery() == stored
    assert len(service.ledger) == len(CALLS) + 1
