"""Calls to a studio that runs as a process."""

import json
import time
import urllib.request
from typing import Any

from tests.studio_process import StudioProcess

DEADLINE_SECONDS = 120


def call(studio: StudioProcess, path: str, body: Any = None) -> Any:
    """GET, or POST of a body; the JSON answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{studio.base_url}{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def fetch(studio: StudioProcess, path: str) -> bytes:
    with urllib.request.urlopen(f"{studio.base_url}{path}", timeout=30) as answer:
        return bytes(answer.read())


def completed(studio: StudioProcess) -> int:
    status = call(studio, "/api/v1/queue/default/status")["queue"]
    assert status["failed"] == status["canceled"] == 0
    return int(status["completed"])


def wait_for(studio: StudioProcess, count: int) -> None:
    """Until `count` items are completed."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while completed(studio) < count:
        assert time.monotonic() < deadline, studio.log_text()[-6000:]
        time.sleep(0.01)
