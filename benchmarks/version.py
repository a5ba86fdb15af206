"""The smallest request there is: what the web framework and its middleware cost."""

from collections.abc import Mapping

from benchmarks.bench import Bench
from benchmarks.load import load
from benchmarks.report import Figure
from benchmarks.servers import VERSION_PATH, Running

NOTES = (f"version: `GET {VERSION_PATH}` over 16 connections.",)


def measure(bench: Bench) -> list[Figure]:
    """Requests a second and the slowest hundredth."""
    rate = Figure("app/version, 16 connections", "req/s", more_is_better=True, budget=8000)
    slow = Figure("app/version, 16 connections, p99", "ms")

    def once(server: Running) -> Mapping[Figure, float]:
        seen = load(server, VERSION_PATH, seconds=5 * bench.scale)
        return {rate: seen.requests_per_second, slow: seen.p99_ms}

    with bench.all_started("version") as servers:
        for server in servers:
            load(server, VERSION_PATH, seconds=1)
        bench.take_turns(servers, once)
    return [rate, slow]
