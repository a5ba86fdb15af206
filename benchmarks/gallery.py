"""Reading a gallery of 1,000 and of 100,000 pictures.

The rows are written straight into each server's own SQLite file while it is stopped, the same ones for both; listing
needs no picture files.
"""

import sqlite3
import statistics
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.api import Client
from benchmarks.bench import Bench
from benchmarks.load import load
from benchmarks.report import Figure
from benchmarks.servers import BenchmarkFailed, Running, started

CHOSEN = "board_id=none&categories=general&is_intermediate=false"
LIST = f"/api/v1/images/?{CHOSEN}&limit=100&offset=0"
NAMES = f"/api/v1/gallery/item_names?{CHOSEN}&order_dir=DESC&search_term=&starred_first=true"
PAGE = 100
NOTES = (
    f"list: `GET {LIST}`, the gallery's own filter, over 16 connections.",
    f"names: `GET {NAMES}`, what the gallery asks for when it opens; one connection, median of 5 requests a run.",
)
COLUMNS = {
    "image_origin": "internal",
    "image_category": "general",
    "width": 1024,
    "height": 1024,
    "node_id": "canvas_output:bench",
    "is_intermediate": 0,
    "starred": 0,
    "has_workflow": 0,
    "user_id": "system",
}


def measure(bench: Bench) -> list[Figure]:
    """List rates and times at both sizes, names of the larger one."""
    figures: list[Figure] = []
    for count in (1_000, 100_000):
        figures += _measure_size(bench, count)
    return figures


def _measure_size(bench: Bench, count: int) -> list[Figure]:
    large = count > 10_000
    purpose = f"gallery-{count}"
    count = bench.count(count)
    rate = Figure(
        f"list 100 of {count:,}, 16 connections", "req/s", more_is_better=True, budget=1500 if large else None
    )
    middle = Figure(f"list 100 of {count:,}, p50", "ms")
    slow = Figure(f"list 100 of {count:,}, p99", "ms", budget=25 if large else None)
    names = Figure(f"names of {count:,}", "ms")
    for contestant in bench.contestants:
        root = bench.root(contestant, purpose)
        with started(contestant, root):
            pass
        seed(root, count)

    def once(server: Running) -> Mapping[Figure, float]:
        client = Client(server)
        seen = load(server, LIST, seconds=5 * bench.scale)
        times = [client.seconds(NAMES) for _ in range(5)]
        return {
            rate: seen.requests_per_second,
            middle: seen.p50_ms,
            slow: seen.p99_ms,
            names: statistics.median(times) * 1e3,
        }

    with bench.all_started(purpose) as servers:
        for server in servers:
            _check(server, count)
        bench.take_turns(servers, once)
    return [rate, middle, slow, *([names] if large else [])]


def seed(root: Path, count: int) -> None:
    """Write `count` rows into the `images` table of the SQLite file under `root`, unless they are there.

    Both servers call the columns alike; each gets those of ours that its table has.
    """
    databases = [file for file in root.rglob("*.db") if "backup" not in file.name]
    if len(databases) != 1:
        raise BenchmarkFailed(f"expected one database under {root}, found {databases}")
    first = datetime(2026, 1, 1, tzinfo=UTC)
    with closing(sqlite3.connect(databases[0])) as connection, connection:
        if connection.execute("SELECT count(*) FROM images").fetchone()[0]:
            return
        present = {row[1] for row in connection.execute("PRAGMA table_info(images)")}
        kept = {name: value for name, value in COLUMNS.items() if name in present}
        own = ("image_name", "session_id", "metadata", "created_at", "updated_at")
        columns = ", ".join((*own, *kept))
        marks = ", ".join("?" * (len(own) + len(kept)))
        rows = (
            (*_own_values(number, first + timedelta(seconds=137 * number)), *kept.values()) for number in range(count)
        )
        connection.executemany(f"INSERT INTO images ({columns}) VALUES ({marks})", rows)


def _own_values(number: int, at: datetime) -> tuple[str, str, str, str, str]:
    time = at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    metadata = f'{{"positive_prompt": "a lighthouse number {number}", "seed": {number}, "width": 1024, "height": 1024}}'
    return f"{number:08x}-0000-4000-8000-000000000000.png", f"session-{number:08x}", metadata, time, time


def _check(server: Running, count: int) -> None:
    """Both must answer the same thing before it is worth measuring."""
    client = Client(server)
    page = client.get(LIST)
    names = client.get(NAMES)
    seen = (page["total"], len(page["items"]), names["total_count"], len(names["item_names"]))
    if seen != (count, min(PAGE, count), count, count):
        raise BenchmarkFailed(f"{server.name}: the gallery of {count} answered {seen}")
