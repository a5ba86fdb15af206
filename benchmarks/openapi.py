"""The document the web UI builds its node templates from: once per page load, and first after every start."""

import statistics

from benchmarks.api import Client
from benchmarks.bench import Bench
from benchmarks.report import Figure
from benchmarks.servers import started

NEXT_REQUESTS = 20
NOTES = (
    "openapi.json: first = the first request after the first start of a new root, next = median of the "
    f"{NEXT_REQUESTS} requests after it, on one connection, whole body read.",
)


def measure(bench: Bench) -> list[Figure]:
    """First and following request."""
    first = Figure("openapi.json, first", "ms", budget=500)
    following = Figure("openapi.json, next", "ms", budget=5)
    for run in range(bench.runs):
        for contestant in bench.contestants:
            with started(contestant, bench.root(contestant, f"openapi-{run}")) as server:
                client = Client(server)
                first.add(server.name, client.seconds("/openapi.json") * 1e3)
                following.add(
                    server.name, statistics.median(client.seconds("/openapi.json") for _ in range(NEXT_REQUESTS)) * 1e3
                )
                print(
                    f"  {server.name}: {first.runs[server.name][-1]:.0f} ms, {following.runs[server.name][-1]:.2f} ms"
                )
    return [first, following]
