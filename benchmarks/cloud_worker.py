"""`python -m benchmarks.cloud_worker`: what the Worker in front of the server costs and saves, on workerd.

Worker, server, database, bucket and browser are on 127.0.0.1 and share the machine's cores.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import httpx
from playwright.sync_api import Page, sync_playwright

from benchmarks.report import machine
from invokeai.app.services.shared.objects.s3_objects import S3Settings
from tests.cloud.cloud_worker import ACCESS_TOKEN, BEARER, CloudWorker
from tests.cloud.fault_proxy import FaultProxy
from tests.cloud.process_engine import ProcessEngine
from tests.cloud.recording_origin import RecordingOrigin
from tests.cloud.s3_server import S3Server
from tests.cloud.server_settings import INSIDE, cloud_settings
from tests.free_ports import free_port
from tests.studio_process import StudioProcess

RESULTS = Path(__file__).with_name("RESULTS-WORKER.md")
CALLS = 500
PICTURES = 500
WAKES = 5
QUIET_MILLISECONDS = 2500


async def p50(call: Callable[[], Awaitable[object]]) -> float:
    """Median time of a call in ms, one at a time."""
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        await call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


async def fetch(session: aiohttp.ClientSession, path: str) -> None:
    """GET and read to the end."""
    async with session.get(path) as answer:
        await answer.read()
        assert answer.status == 200, (path, answer.status)


async def picture_rows() -> list[str]:
    """A gallery from the bucket, with a container that keeps what reaches it."""
    origin = RecordingOrigin()
    worker = CloudWorker(origin.base_url)
    names = [f"{n:08d}-0000-4000-8000-000000000000" for n in range(PICTURES)]
    worker.put_all({f"thumbnails/{name}.webp": name.encode() * 300 for name in names}, "image/webp")
    try:
        async with aiohttp.ClientSession(worker.base_url, headers=worker.sign_in()) as browser:
            paths = iter([f"/api/v1/images/i/{name}.png/thumbnail" for name in names])
            middle = await p50(lambda: fetch(browser, next(paths)))
    finally:
        worker.stop()
        origin.stop()
    return [
        f"| requests that reach the container for {PICTURES} stored pictures | {len(origin.requests)} |",
        f"| thumbnail from the bucket, p50 | {middle:.1f} ms |",
    ]


async def latency_rows(server: StudioProcess, worker: CloudWorker) -> list[str]:
    """The same call with and without the Worker."""
    path = "/api/v1/app/version"
    async with (
        aiohttp.ClientSession(server.base_url) as direct,
        aiohttp.ClientSession(worker.base_url, headers=BEARER) as through,
    ):
        for session in (direct, through):
            await fetch(session, path)
        bare = await p50(lambda: fetch(direct, path))
        behind = await p50(lambda: fetch(through, path))
    return [f"| GET of the version, p50: direct, through the Worker | {bare:.1f} ms, {behind:.1f} ms |"]


def fill(server: StudioProcess) -> None:
    """60 pictures from the offline generator."""
    node = {"id": "n", "type": "third_party_image_generation", "width": 64, "height": 64}
    with httpx.Client(base_url=f"{server.base_url}/api", timeout=60) as http:
        node["model"] = http.get("/v2/models/i/sketch-flow").json()
        prompts = [{"node_path": "n", "field_name": "prompt", "items": [f"a red sea {n}" for n in range(60)]}]
        batch = {"graph": {"id": "g", "nodes": {"n": node}, "edges": []}, "runs": 1, "data": [prompts]}
        http.post("/v1/queue/default/enqueue_batch", json={"batch": batch}).raise_for_status()
        while http.get("/v1/queue/default/status").json()["queue"]["completed"] < 60:
            time.sleep(0.1)


def page_rows(worker: CloudWorker, d1: FaultProxy) -> list[str]:
    """Calls of the database while the UI opens with 60 pictures: signing in, then reloading."""
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(worker.base_url)
        page.fill("#token", ACCESS_TOKEN)
        for what, act in (("first visit", partial(page.keyboard.press, "Enter")), ("reload", page.reload)):
            before = len(d1.requests)
            asked.clear()
            act()
            rest(page, asked)
            calls = [url for url in asked if "/api/" in url and not url.endswith(("/thumbnail", "/full"))]
            counts = f"{len(calls)}, {len(d1.requests) - before}"
            rows.append(f"| {what} of the UI with 60 pictures: calls of the API, of the database | {counts} |")
        browser.close()
    return rows


def rest(page: Page, asked: list[str]) -> None:
    """Wait until the gallery is there and the page asks for nothing more."""
    page.wait_for_selector('img[src*="thumbnail"]')
    known = -1
    while known != len(asked):
        known = len(asked)
        page.wait_for_timeout(QUIET_MILLISECONDS)


def wake_row(folder: Path, s3: S3Settings) -> str:
    """The first request to a sleeping container, which is a process: a virtual machine's own start comes on top."""
    times = []
    for turn in range(WAKES):
        place = folder / str(turn)
        place.mkdir()
        engine = ProcessEngine(place)
        worker = CloudWorker(None, cloud_settings(INSIDE, s3), engine=engine)
        try:
            start = time.perf_counter()
            asyncio.run(first_answer(worker))
            times.append(time.perf_counter() - start)
        finally:
            worker.stop()
            engine.stop()
    return f"| first answer of a sleeping server, its migrations included | {statistics.median(times):.2f} s |"


async def first_answer(worker: CloudWorker) -> None:
    async with aiohttp.ClientSession(worker.base_url, headers=BEARER) as session:
        await fetch(session, "/api/v1/boards/?all=true")


def main() -> None:
    """Measure and write the page."""
    s3 = S3Server()
    try:
        with TemporaryDirectory(prefix="worker-bench-") as name:
            folder = Path(name)
            rows = asyncio.run(picture_rows())
            bucket, port = s3.new_bucket(), free_port()
            worker = CloudWorker(f"http://127.0.0.1:{port}")
            d1 = FaultProxy(worker.d1.base_url)
            settings = cloud_settings(replace(worker.d1, base_url=d1.base_url), bucket)
            server = StudioProcess(folder / "root", web_ui=True, settings=settings, port=port).start()
            rows += asyncio.run(latency_rows(server, worker))
            fill(server)
            asyncio.run(worker.copy_bucket(bucket))
            rows += page_rows(worker, d1)
            server.stop()
            worker.stop()
            d1.stop()
            rows.append(wake_row(folder, s3.new_bucket()))
    finally:
        s3.stop()
    table = "\n".join(["| figure | value |", "| --- | --- |", *rows])
    page = f"# The Worker in front of the server\n\n{table}\n\n## Machine\n\n{machine()}\n\n"
    page += "Repeat it: `python -m benchmarks.cloud_worker`.\n"
    RESULTS.write_text(page)
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
