"""The few calls the benchmarks make to either server; both speak the same API.

Uses http.client with one kept connection: the client must cost little beside the server it measures.
"""

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.servers import HOST, BenchmarkFailed, Running


class Client:
    """One kept connection to a server."""

    def __init__(self, server: Running, timeout_s: float = 120.0) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=timeout_s)

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Body of the answer.

        Raises:
            BenchmarkFailed: the answer was not a 2xx.
        """
        self._connection.request(method, path, body, dict(headers or {}))
        answer = self._connection.getresponse()
        content = answer.read()
        if not 200 <= answer.status < 300:
            raise BenchmarkFailed(f"{self._server.name}: {method} {path} answered {answer.status}: {content[:500]!r}")
        return content

    def get(self, path: str) -> Any:
        """The answer's JSON."""
        return json.loads(self.call("GET", path))

    def post(self, path: str, body: object) -> Any:
        """The answer's JSON."""
        content = self.call("POST", path, json.dumps(body).encode(), {"content-type": "application/json"})
        return json.loads(content)

    def seconds(self, path: str) -> float:
        """Time of one GET, the whole body read."""
        began = time.perf_counter()
        self.call("GET", path)
        return time.perf_counter() - began


def run_batch(server: Running, batch: Mapping[str, object], limit_s: float, poll_s: float) -> float:
    """Enqueue a batch and wait until all its items are completed; seconds from the request to the last item's end.

    Raises:
        BenchmarkFailed: an item failed, or the batch took longer than `limit_s`.
    """
    client = Client(server)
    began = time.perf_counter()
    enqueued = client.post("/api/v1/queue/default/enqueue_batch", {"prepend": False, "batch": batch})
    path = f"/api/v1/queue/default/b/{enqueued['batch']['batch_id']}/status"
    while time.perf_counter() - began < limit_s:
        status = client.get(path)
        if status["completed"] == enqueued["enqueued"]:
            return time.perf_counter() - began
        if status["failed"] or status["canceled"]:
            raise BenchmarkFailed(f"{server.name}: {status['failed']} items failed")
        time.sleep(poll_s)
    raise BenchmarkFailed(f"{server.name}: {enqueued['enqueued']} items were not done after {limit_s:.0f} s")
