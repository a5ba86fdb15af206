"""How long a start takes and what an idle server costs.

Each run is a fresh process on a root that has been started once before, so no database is created while the clock
runs.
"""

import time

from benchmarks.bench import Bench
from benchmarks.report import Figure
from benchmarks.servers import started

IDLE_S = 10.0
NOTES = (
    "start: from the spawn of the process to the first 200 of `GET /api/v1/app/version`, asked every 5 ms; "
    "second and later starts of a root.",
    f"idle memory: resident memory of the process and its children, {IDLE_S:.0f} s after that answer.",
)


def measure(bench: Bench) -> list[Figure]:
    """Start to first answer, and idle memory."""
    start = Figure("start to first 200", "s", budget=1.2)
    memory = Figure("idle memory (RSS)", "MB", budget=110)
    for contestant in bench.contestants:
        with started(contestant, bench.root(contestant, "start")):
            pass
    for _ in range(bench.runs):
        for contestant in bench.contestants:
            with started(contestant, bench.root(contestant, "start")) as server:
                time.sleep(max(1.0, IDLE_S * bench.scale))
                start.add(server.name, server.seconds_to_answer)
                memory.add(server.name, server.resident_bytes() / 1e6)
                print(f"  {server.name}: {start.runs[server.name][-1]:.3f} s, {memory.runs[server.name][-1]:.0f} MB")
    return [start, memory]
