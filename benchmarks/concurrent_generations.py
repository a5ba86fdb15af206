"""Two hundred programs ask for a picture at the same moment, from a provider that takes three seconds."""

import asyncio
import threading
import time

import httpx

from benchmarks import slow_provider
from benchmarks.bench import Bench
from benchmarks.generations import install_plugin
from benchmarks.report import Figure
from benchmarks.servers import BenchmarkFailed, Running

COUNT = 200
SECONDS = 3.0
PATH = "/api/images/generate"
BODY = {"prompt": "a lighthouse", "model": "slow/slow", "width": 512, "height": 512}
NOTES = (
    f"concurrent generations: {COUNT} connections send `POST {PATH}` at once; a local service answers each with a 512² "
    f"PNG after {SECONDS:.0f} s. Wall time ends with the last answer, every picture stored with thumbnail and row. "
    "Memory: the highest resident memory during that time, read every 20 ms, less that before it. Ours only: the "
    "peer has no such route.",
)


def measure(bench: Bench) -> list[Figure]:
    """Wall time and growth of memory."""
    wall = Figure(f"{bench.count(COUNT)} generations of 3 s at once", "s", budget=5)
    growth = Figure(f"{bench.count(COUNT)} generations of 3 s at once, growth of memory", "MB", budget=60)
    ours = [contestant for contestant in bench.contestants if contestant.is_ours]
    if not ours:
        return [wall, growth]
    alone = Bench(ours, bench.folder, bench.runs, bench.scale)
    install_plugin(alone.root(ours[0], "concurrent"))

    with slow_provider.running(SECONDS, side=512) as address:
        environment = {"BENCH_PROVIDER_URL": address, "BENCH_PROVIDER_CONNECTIONS": str(COUNT)}
        for _ in range(alone.runs):  # a server of its own each time: memory that was taken once is kept
            with alone.all_started("concurrent", environment) as (server,):
                _burst(server, 4)
                seconds, megabytes = _burst(server, alone.count(COUNT))
            for figure, value in ((wall, seconds), (growth, megabytes)):
                figure.add(server.name, value)
                print(f"  {server.name}: {figure.title} {value:.4g} {figure.unit}", flush=True)
    return [wall, growth]


def _burst(server: Running, count: int) -> tuple[float, float]:
    before = highest = server.resident_bytes()
    ended = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not ended.wait(0.02):
            highest = max(highest, server.resident_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        seconds = asyncio.run(_ask_all(server.url, count))
    finally:
        ended.set()
        watcher.join()
    return seconds, (highest - before) / 1e6


async def _ask_all(url: str, count: int) -> float:
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        started = time.perf_counter()
        answers = await asyncio.gather(*(client.post(PATH, json=BODY) for _ in range(count)))
        seconds = time.perf_counter() - started
    wrong = [answer for answer in answers if answer.status_code != 200]
    if wrong:
        raise BenchmarkFailed(f"{len(wrong)} of {count} generations failed: {wrong[0].text[:300]}")
    return seconds
