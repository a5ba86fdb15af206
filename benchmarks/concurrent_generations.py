"""Two hundred programs ask for a picture at the same moment, from a provider that takes three seconds."""

import asyncio
import json
import threading
import time

from benchmarks import slow_provider
from benchmarks.bench import Bench
from benchmarks.generations import install_plugin
from benchmarks.report import Figure
from benchmarks.servers import HOST, BenchmarkFailed, Running

COUNT = 200
SECONDS = 3.0
PATH = "/api/images/generate"
BODY = {"prompt": "a lighthouse", "model": "slow/slow", "width": 512, "height": 512}
NOTES = (
    f"concurrent generations: {COUNT} connections send `POST {PATH}` at once; a local service answers each with a 512² "
    f"PNG after {SECONDS:.0f} s. Wall time ends with the last answer, every picture stored with its row; thumbnails "
    "are drawn after that. Memory: the highest resident memory until the last one is drawn, read every 20 ms, less "
    "that before. Ours only: the peer has no such route.",
)


def measure(bench: Bench) -> list[Figure]:
    """Wall time, the same until the last thumbnail is drawn, and growth of memory."""
    wall = Figure(f"{bench.count(COUNT)} generations of 3 s at once", "s", budget=5)
    drawn = Figure(f"{bench.count(COUNT)} generations of 3 s at once, until the last thumbnail is drawn", "s")
    growth = Figure(f"{bench.count(COUNT)} generations of 3 s at once, growth of memory", "MB", budget=60)
    ours = [contestant for contestant in bench.contestants if contestant.is_ours]
    if not ours:
        return [wall, drawn, growth]
    alone = Bench(ours, bench.folder, bench.runs, bench.scale)
    install_plugin(alone.root(ours[0], "concurrent"))

    with slow_provider.running(SECONDS, side=512) as address:
        environment = {"BENCH_PROVIDER_URL": address, "BENCH_PROVIDER_CONNECTIONS": str(COUNT)}
        for _ in range(alone.runs):  # a server of its own each time: memory that was taken once is kept
            with alone.all_started("concurrent", environment) as (server,):
                _burst(server, 4)
                seconds, seconds_drawn, megabytes = _burst(server, alone.count(COUNT))
            for figure, value in ((wall, seconds), (drawn, seconds_drawn), (growth, megabytes)):
                figure.add(server.name, value)
                print(f"  {server.name}: {figure.title} {value:.4g} {figure.unit}", flush=True)
    return [wall, drawn, growth]


def _burst(server: Running, count: int) -> tuple[float, float, float]:
    """Seconds to the last answer and to the last thumbnail, megabytes that the server grew by."""
    before = highest = server.resident_bytes()
    ended = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not ended.wait(0.02):
            highest = max(highest, server.resident_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    wanted, began = server.thumbnails() + count, time.perf_counter()
    try:
        seconds = asyncio.run(_ask_all(server.port, count))
        server.wait_for_thumbnails(wanted)
        seconds_drawn = time.perf_counter() - began
    finally:
        ended.set()
        watcher.join()
    return seconds, seconds_drawn, (highest - before) / 1e6


async def _ask_all(port: int, count: int) -> float:
    started = time.perf_counter()
    answers = await asyncio.gather(*(_ask(port) for _ in range(count)))
    seconds = time.perf_counter() - started
    wrong = [answer for answer in answers if not answer.startswith(b"HTTP/1.1 200 ")]
    if wrong:
        raise BenchmarkFailed(f"{len(wrong)} of {count} generations failed: {wrong[0][:500]!r}")
    return seconds


async def _ask(port: int) -> bytes:
    """A whole answer. By hand, as a client library for each of 200 connections takes a core from what is measured."""
    reader, writer = await asyncio.open_connection(HOST, port)
    body = json.dumps(BODY).encode()
    lines = (f"POST {PATH} HTTP/1.1", f"host: {HOST}", "content-type: application/json", "connection: close")
    writer.write("\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body)
    try:
        return await reader.read()
    finally:
        writer.close()
