"""Load from several connections by wrk (Debian's package): requests a second and latency percentiles.

wrk is one C thread, so on two cores the server under test keeps a core to itself. Any answer that is not 2xx or 3xx
voids the measurement.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import BenchmarkFailed, Running

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Load:
    """What wrk saw."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float


def require_wrk() -> None:
    """Raises BenchmarkFailed when wrk is missing: a client in Python would be slower than the server it measures."""
    if shutil.which("wrk") is None:
        raise BenchmarkFailed("wrk is missing: apt-get install wrk")


def load(
    server: Running,
    path: str,
    *,
    connections: int = 16,
    seconds: float = 5.0,
    method: str = "GET",
    body: Path | None = None,
    content_type: str = "",
) -> Load:
    """Send the same request over `connections` connections for about `seconds`.

    Raises:
        BenchmarkFailed: wrk is missing, or an answer was an error.
    """
    require_wrk()
    variables = {"LOAD_METHOD": method, "LOAD_BODY": str(body or ""), "LOAD_TYPE": content_type}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "60s"]
    answer = subprocess.run(
        [*command, "-s", str(SCRIPT), f"{server.url}{path}"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in answer.stdout.splitlines() if line.startswith("{")]
    if answer.returncode or not lines:
        raise BenchmarkFailed(f"wrk on {server.name} {path}: {answer.stdout}{answer.stderr}")
    seen = json.loads(lines[-1])
    if seen["errors"] or not seen["requests"]:
        raise BenchmarkFailed(f"{server.name}: {method} {path}: {seen['errors']} bad of {seen['requests']} answers")
    return Load(seen["requests"] / seen["seconds"], seen["p50_ms"], seen["p99_ms"])
