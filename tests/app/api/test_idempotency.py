"""OpenAI's client repeats a request under its Idempotency-Key, after the server was killed while it was being made."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.simulators.runware import RunwareSimulator
from tests.studio_process import StudioProcess

ASKED: dict[str, Any] = {
    "prompt": "a fox",
    "model": "runware/runware:101@1",
    "size": "512x512",
    "extra_headers": {"Idempotency-Key": "order-7"},
}


@pytest.fixture
def runware() -> Iterator[RunwareSimulator]:
    simulator = RunwareSimulator()
    simulator.latency = 0.3
    simulator.start()
    yield simulator
    simulator.stop()


@pytest.fixture
def studio(tmp_path: Path, runware: RunwareSimulator) -> Iterator[StudioProcess]:
    settings = {
        "RUNWARE_API_KEY": runware.key,
        "INVOKEAI_PROVIDER_BASE_URLS": f'{{"runware": "{runware.base_url}"}}',
    }
    process = StudioProcess(tmp_path / "root", settings=settings).start()
    yield process
    process.stop()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_repeat_after_a_kill_has_the_picture_that_was_paid_for(
    studio: StudioProcess, runware: RunwareSimulator
) -> None:
    with (
        openai.OpenAI(api_key="none", base_url=f"{studio.base_url}/v1", max_retries=0) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(lambda: client.images.generate(**ASKED))
        until(lambda: runware.paid_requests)
        studio.kill()
        assert isinstance(first.exception(30), openai.APIConnectionError)
        until(lambda: runware.ledger)
        studio.start()
        again, once_more = (client.images.generate(**ASKED) for _ in range(2))
    assert len(runware.ledger) == 1
    assert (again.data or [])[0].b64_json == (once_more.data or [])[0].b64_json
    assert len(httpx.get(f"{studio.base_url}/api/v1/images/names").json()["image_names"]) == 1
