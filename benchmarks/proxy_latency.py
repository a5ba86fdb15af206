"""`python -m benchmarks.proxy_latency`: what Pages and the Worker add to a call, on workerd, beside the server itself.

Everything is on 127.0.0.1 and shares the machine's cores; the ways take turns, so that load meets all of them alike.
"""

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from benchmarks.report import machine
from tests.cloud.cloud_worker import BEARER, CloudWorker
from tests.cloud.pages_site import PagesSite, build_frontend
from tests.studio_process import StudioProcess

RESULTS = Path(__file__).with_name("RESULTS-PAGES.md")
TURNS = 60
CALLS_A_TURN = 5
UPLOADS = 8
UPLOAD_BYTES = 20 * 2**20
SOCKET = "/ws/socket.io/?EIO=4&transport=websocket"
HEAD = [
    "| p50 of | server alone | through the Worker | through Pages and the Worker | added |",
    "| --- | --- | --- | --- | --- |",
]
NOTE = (
    "A file is answered without any code of this project: what it takes is the price of `wrangler pages dev`, whose\n"
    "own proxy Cloudflare does not have. Bodies pass that proxy too."
)

Call = Callable[[], Awaitable[object]]


async def medians(ways: dict[str, Call], turns: int, calls: int) -> dict[str, float]:
    """p50 in ms of each way's call; the ways take turns."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for call in ways.values():
        await call()
    for _ in range(turns):
        for way, call in ways.items():
            for _ in range(calls):
                start = time.perf_counter()
                await call()
                times[way].append((time.perf_counter() - start) * 1e3)
    return {way: statistics.median(found) for way, found in times.items()}


def getting(session: aiohttp.ClientSession, path: str) -> Call:
    """A GET, read to the end."""

    async def call() -> None:
        async with session.get(path) as answer:
            await answer.read()
            assert answer.status == 200, (path, answer.status)

    return call


def uploading(session: aiohttp.ClientSession, body: bytes) -> Call:
    """20 MiB that the server reads to the end before it says that they are no picture."""

    async def call() -> None:
        form = aiohttp.FormData()
        form.add_field("file", body, filename="noise.png", content_type="image/png")
        async with session.post("/api/v1/images/upload?image_category=user&is_intermediate=false", data=form) as answer:
            await answer.read()
            assert answer.status == 415, answer.status

    return call


async def asking(session: aiohttp.ClientSession, stack: AsyncExitStack) -> Call:
    """A question over an open socket, and its answer."""
    socket = await stack.enter_async_context(session.ws_connect(SOCKET))
    await socket.receive_str()
    await socket.send_str("40")
    await socket.receive_str()

    async def call() -> None:
        await socket.send_str('420["subscribe_queue",{"queue_id":"default"}]')
        while not (told := await socket.receive_str()).startswith("43"):
            if told == "2":
                await socket.send_str("3")

    return call


async def measure(addresses: dict[str, str], site: str) -> list[str]:
    """Rows of the table."""
    body = random.Random(1).randbytes(UPLOAD_BYTES)
    async with AsyncExitStack() as stack:
        sessions = {
            way: await stack.enter_async_context(aiohttp.ClientSession(address, headers=BEARER))
            for way, address in addresses.items()
        }
        calls = {way: getting(session, "/api/v1/app/version") for way, session in sessions.items()}
        sockets = {way: await asking(session, stack) for way, session in sessions.items()}
        uploads = {way: uploading(session, body) for way, session in sessions.items()}
        rows = [
            row("GET of the version", await medians(calls, TURNS, CALLS_A_TURN)),
            row("question and answer over a socket", await medians(sockets, TURNS, CALLS_A_TURN)),
            row("20 MiB sent", await medians(uploads, UPLOADS, 1)),
        ]
        door = await stack.enter_async_context(aiohttp.ClientSession(site))
        async with door.post("/access", json={"token": BEARER["authorization"].split()[1]}) as answer:
            cookie = answer.headers["set-cookie"].partition(";")[0]
        visit = await stack.enter_async_context(aiohttp.ClientSession(site, headers={"cookie": cookie}))
        pages = {"page": getting(visit, "/"), "file": getting(visit, "/assets/images/invoke-favicon.svg")}
        found = await medians(pages, TURNS, CALLS_A_TURN)
    rows.append(f"| the page, after asking the Worker who may pass | | | {found['page']:.1f} ms | |")
    rows.append(f"| a file | | | {found['file']:.1f} ms | |")
    return rows


def row(title: str, found: dict[str, float]) -> str:
    """p50 of every way, and what the whole way adds to the server alone."""
    first, *_, last = found.values()
    return f"| {title} | " + " | ".join(f"{value:.2f} ms" for value in found.values()) + f" | +{last - first:.2f} ms |"


def main() -> None:
    """Measure and write the page."""
    build_frontend()
    with TemporaryDirectory(prefix="pages-bench-") as name:
        folder = Path(name)
        os.environ["WRANGLER_REGISTRY_PATH"] = str(folder / "registry")
        server = StudioProcess(folder / "root").start()
        worker = CloudWorker(server.base_url)
        site = PagesSite(folder, registry=folder / "registry")
        try:
            ways = {"server": server.base_url, "Worker": worker.base_url, "Pages": site.base_url}
            rows = asyncio.run(measure(ways, site.base_url))
        finally:
            site.stop()
            worker.stop()
            server.stop()
    table = "\n".join([*HEAD, *rows])
    page = f"# Pages in front of the Worker\n\n{table}\n\n{NOTE}\n\n## Machine\n\n{machine()}\n\n"
    page += "Repeat it: `python -m benchmarks.proxy_latency`.\n"
    RESULTS.write_text(page)
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
