"""`python -m benchmarks.cloud_storage`: the D1 and R2 adapters beside the bare clients, on the real local engines.

D1 is workerd behind the gateway, R2 is SeaweedFS; everything is on 127.0.0.1 and shares the machine's cores.
"""

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import httpx

from benchmarks.report import machine, number
from invokeai.app.services.image_files.image_files_r2 import R2ImageFileStorage
from invokeai.app.services.shared.database.d1 import D1Database
from invokeai.app.services.shared.database.d1_client import D1Settings
from invokeai.app.services.shared.objects.s3_objects import S3Objects, S3Settings, _make_client
from tests.cloud.d1_gateway import D1Gateway
from tests.cloud.s3_server import S3Server
from tests.cloud.test_cloud_studio import CloudStudio
from tests.studio_process import StudioProcess

RESULTS = Path(__file__).with_name("RESULTS-CLOUD.md")
RUNS = 5
SECONDS = 3.0
CONNECTIONS = (1, 32)
SELECT = "SELECT body FROM notes WHERE note_id = ?"
PNG_BYTES = 1_600_000

Call = Callable[[], Awaitable[object]]


async def rate(call: Call, connections: int) -> tuple[float, float]:
    """Requests a second and p50 in ms of `call` from so many loops side by side."""
    times: list[float] = []
    end = time.perf_counter() + SECONDS

    async def loop() -> None:
        while (start := time.perf_counter()) < end:
            await call()
            times.append(time.perf_counter() - start)

    began = time.perf_counter()
    await asyncio.gather(*(loop() for _ in range(connections)))
    return len(times) / (time.perf_counter() - began), statistics.median(times) * 1e3


async def d1_rows(settings: D1Settings) -> list[str]:
    """Our client, a bare aiohttp loop and a bare httpx loop, in turns."""
    database = D1Database(replace(settings, max_connections=max(CONNECTIONS)))
    await database.execute("CREATE TABLE notes (note_id INTEGER PRIMARY KEY, body TEXT)")
    await database.execute("INSERT INTO notes VALUES (1, 'note')")
    headers = {"authorization": f"Bearer {settings.token}"}
    body = {"sql": SELECT, "params": [1]}
    connector = aiohttp.TCPConnector(limit=max(CONNECTIONS))
    rows = []
    async with (
        aiohttp.ClientSession(headers=headers, connector=connector) as bare,
        httpx.AsyncClient(headers=headers) as other,
    ):

        async def ours() -> object:
            return await database.fetch(SELECT, 1)

        async def bare_aiohttp() -> object:
            async with bare.post(settings.query_url, json=body) as answer:
                return await answer.json()

        async def bare_httpx() -> object:
            return (await other.post(settings.query_url, json=body)).json()

        for connections in CONNECTIONS:
            found: dict[str, list[tuple[float, float]]] = {}
            for _ in range(RUNS):
                for call in (ours, bare_aiohttp, bare_httpx):
                    found.setdefault(call.__name__, []).append(await rate(call, connections))
            medians = {
                name: [statistics.median(part) for part in zip(*runs, strict=True)] for name, runs in found.items()
            }
            mine, fastest = medians["ours"], medians["bare_aiohttp"]
            rows.append(
                f"| D1 read, {connections} at once | {number(mine[0])} /s, p50 {mine[1]:.1f} ms | "
                f"{number(fastest[0])} /s, p50 {fastest[1]:.1f} ms | {100 * mine[0] / fastest[0]:.0f} % | ≥ 80 % |"
            )
            slow = medians["bare_httpx"]
            rows.append(f"| … bare httpx, {connections} at once | | {number(slow[0])} /s, p50 {slow[1]:.1f} ms | | |")
    await database.close()
    return rows


async def r2_rows(settings: S3Settings) -> list[str]:
    """Saving and reading a picture's file beside raw boto3 in a thread."""
    png = random.Random(1).randbytes(PNG_BYTES)
    files = R2ImageFileStorage("", "", "", "", objects=S3Objects(settings))
    client = _make_client(settings)

    async def save(name: str) -> None:
        await files.objects.put(files.get_path(name), png, "image/png")

    async def raw_save(name: str) -> None:
        await asyncio.to_thread(client.put_object, Bucket=settings.bucket, Key=f"raw/{name}", Body=png)

    async def get(name: str) -> None:
        await files.read(name)

    async def raw_get(name: str) -> None:
        await asyncio.to_thread(lambda: client.get_object(Bucket=settings.bucket, Key=f"raw/{name}")["Body"].read())

    rows = []
    for title, ours, raw in (("save", save, raw_save), ("get", get, raw_get)):
        times: dict[str, list[float]] = {"ours": [], "raw": []}
        for turn in range(RUNS * 8):
            for name, call in (("ours", ours), ("raw", raw)):
                start = time.perf_counter()
                await call(f"{turn}.png")
                times[name].append((time.perf_counter() - start) * 1e3)
        mine, other = statistics.median(times["ours"]), statistics.median(times["raw"])
        rows.append(
            f"| R2 {title} of 1.6 MB | {mine:.1f} ms | {other:.1f} ms (raw boto3) | {mine / other:.2f} times | ≤ 1.15 |"
        )
    await files.close()
    return rows


def session_row(gateway: D1Gateway, s3: S3Server, folder: Path) -> str:
    """One picture of the offline generator, from enqueue to done, on both kinds of storage."""
    cloud = CloudStudio(folder / "cloud", gateway.new_database(), s3.new_bucket())
    disk = CloudStudio(folder / "disk", cloud.d1, cloud.s3)
    disk.process = StudioProcess(folder / "disk" / "root")
    times: dict[str, list[float]] = {"cloud": [], "disk": []}
    for studio in (cloud, disk):
        studio.process.start()
        studio.generate(1)
        studio.wait_until_idle()
    for turn in range(1, RUNS * 4 + 1):
        for name, studio in (("cloud", cloud), ("disk", disk)):
            before = len(studio.pictures())
            start = time.perf_counter()
            studio.generate(1, first=turn)
            while len(studio.pictures()) == before:
                time.sleep(0.002)
            times[name].append((time.perf_counter() - start) * 1e3)
    for studio in (cloud, disk):
        studio.process.stop()
    mine, other = statistics.median(times["cloud"]), statistics.median(times["disk"])
    return (
        f"| one-image session | {mine:.0f} ms (D1 + R2) | {other:.0f} ms (SQLite + disk) | {mine / other:.1f} times | |"
    )


def main() -> None:
    """Measure and write the page."""
    gateway, s3 = D1Gateway(4), S3Server()
    try:
        with TemporaryDirectory(prefix="cloud-bench-") as folder:
            rows = asyncio.run(d1_rows(gateway.new_database()))
            rows += asyncio.run(r2_rows(s3.new_bucket()))
            rows.append(session_row(gateway, s3, Path(folder)))
    finally:
        gateway.stop()
        s3.stop()
    table = "\n".join(["| figure | ours | beside | ratio | target |", "| --- | --- | --- | --- | --- |", *rows])
    page = f"# Cloud storage beside the bare clients\n\nMedians of {RUNS} runs of {SECONDS:.0f} s in turns, "
    page += "all engines, clients and servers on the same cores.\n\n"
    page += f"{table}\n\n## Machine\n\n{machine()}\n\nRepeat it: `python -m benchmarks.cloud_storage`.\n"
    RESULTS.write_text(page)
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
