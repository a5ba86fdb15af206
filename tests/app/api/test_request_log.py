"""Logs in JSON as a real server writes them, from a request to the receipt of what it paid for."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulators.openai import OpenAISimulator
from tests.simulators.simulator import Fault
from tests.studio_process import StudioProcess

KEY = "sk-canary-in-json-5512"


@pytest.fixture
def simulator() -> Iterator[OpenAISimulator]:
    simulator = OpenAISimulator()
    simulator.key = KEY
    simulator.start()
    yield simulator
    simulator.stop()


def lines_of(studio: StudioProcess) -> list[dict[str, Any]]:
    """Every line of the log; fails where one is no JSON object."""
    return [json.loads(line) for line in studio.log_text().splitlines()]


def test_requests_items_and_receipts_are_found_by_their_ids(tmp_path: Path, simulator: OpenAISimulator) -> None:
    settings = {
        "INVOKEAI_LOG_FORMAT": "json",
        "INVOKEAI_PROVIDER_BASE_URLS": json.dumps({"openai": simulator.base_url}),
        "OPENAI_API_KEY": KEY,
    }
    studio = StudioProcess(tmp_path / "root", settings=settings).start()
    try:
        with httpx.Client(base_url=studio.base_url, timeout=60) as client:
            body = {"prompt": "a secret wish", "model": "openai/gpt-image-2.6-flare"}
            good = client.post("/api/images/generate?user=someone", json=body, headers={"x-request-id": "mine-1"})
            assert (good.status_code, good.headers["x-request-id"]) == (200, "mine-1")
            simulator.faults[:] = [Fault("trouble", "refused prompt")]
            bad = client.post("/api/images/generate", json=body, headers={"x-request-id": "no good\tid"})
            assert bad.status_code >= 400
            made = bad.headers["x-request-id"]
            assert len(made) == 32
            assert client.get("/api/v1/app/version").headers["x-request-id"] != made
    finally:
        studio.stop()
    lines = lines_of(studio)
    with sqlite3.connect(studio.root / "databases" / "invokeai.db") as database:
        receipts = dict(database.execute("SELECT state, receipt_id FROM generation_receipts").fetchall())

    def of(request_id: str) -> list[tuple[Any, ...]]:
        found = [line for line in lines if line.get("request_id") == request_id]
        return [(line["message"].rpartition(": ")[2], line.get("receipt_id"), line.get("status")) for line in found]

    model = "(openai/gpt-image-2.6-flare)"
    assert of("mine-1") == [
        (f"sent {model}", receipts["stored"], None),
        ("stored", receipts["stored"], None),
        ("POST /api/images/generate", None, 200),
    ]
    assert of(made) == [
        (f"sent {model}", receipts["refused"], None),
        (f"refused {model}", receipts["refused"], None),
        ("POST /api/images/generate", None, bad.status_code),
    ]
    assert KEY not in studio.log_text() and "secret wish" not in studio.log_text()
    assert "user=someone" not in studio.log_text() and "/api/v1/app/version" not in studio.log_text()


def test_a_fault_of_the_server_is_told_with_the_request_that_met_it(tmp_path: Path) -> None:
    pack = tmp_path / "root" / "nodes" / "broken_pack"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text("raise RuntimeError('a broken pack')\n")
    settings = {"INVOKEAI_LOG_FORMAT": "json", "INVOKEAI_LOG_LEVEL": "debug"}
    studio = StudioProcess(tmp_path / "root", settings=settings).start()
    try:
        httpx.get(f"{studio.base_url}/api/v1/app/version", headers={"x-request-id": "quiet"})
        assert "x-request-id" in httpx.get(f"{studio.base_url}/no/such/page").headers
    finally:
        assert studio.stop() == 0
    lines = lines_of(studio)
    (quiet,) = [line for line in lines if line.get("request_id") == "quiet" and line["logger"] == "invokeai.requests"]
    assert (quiet["level"], quiet["status"]) == ("debug", 200) and quiet["ms"] >= 0
    (fault,) = [line for line in lines if "broken_pack" in line["message"]]
    assert "a broken pack" in fault["error"]


def test_plain_logs_cost_no_request_ids(studio: StudioProcess) -> None:
    assert "x-request-id" not in httpx.get(f"{studio.base_url}/api/v1/app/version").headers
