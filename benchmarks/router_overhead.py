"""What the router costs: a generation through it beside the bare httpx call that the same provider makes.

Both use one client and one transport that answers at once, in this process, taking turns call by call.
"""

import asyncio
import base64
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from benchmarks.bench import Bench
from benchmarks.report import Figure
from benchmarks.servers import OURS
from invokeai.app.services.image_providers.capabilities import ExternalModelCapabilities
from invokeai.app.services.image_providers.generation import GeneratedImage, ImageRequest, ImageResult
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.receipts import CallKey, Receipt, ReceiptStore
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from invokeai.app.services.shared.objects.disk_objects import DiskObjects

CALLS = 2000
WARM_UP = 200
ANSWER = json.dumps({"data": [{"b64_json": base64.b64encode(b"\x89PNG" + bytes(1024)).decode()}]}).encode()
NOTES = (
    f"router overhead: {CALLS} generations through the router and {CALLS} bare calls of httpx on the same transport "
    "(answers at once, in process), taking turns; the figure is the difference of the two medians and of the two "
    "99th percentiles. Free: routing, checks, lane, breaker, keys, counters. Paid: also the receipt, three writes to "
    "SQLite and the raw answer on disk, before and after the bytes leave.",
)

Call = Callable[[], Awaitable[object]]


async def _ask(client: httpx.AsyncClient, prompt: str) -> bytes:
    answer = await client.post("/v1/images/generations", json={"prompt": prompt, "n": 1})
    return base64.b64decode(answer.raise_for_status().json()["data"][0]["b64_json"])


class EchoImageService(ImageProvider):
    """Makes the bare call, and nothing else."""

    info = ProviderInfo(
        provider_id="echo",
        display_name="Echo",
        description="Answers at once.",
        models=(ImageModel(model_id="echo", name="Echo", description="", capabilities=ExternalModelCapabilities()),),
        default_model="echo",
        is_paid=False,
        needs_key=False,
    )
    client: httpx.AsyncClient

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        """One call, one picture."""
        if self.info.is_paid:
            await receipt.sent()
        picture = await _ask(self.client, request.prompt)
        if self.info.is_paid:
            await receipt.answered(ANSWER)
        return ImageResult(images=(GeneratedImage(picture),), provider_id="echo", model_id=model.model_id)


class PaidEchoImageService(EchoImageService):
    """The same with receipts."""

    info = ProviderInfo(
        provider_id="paid",
        display_name="Paid Echo",
        description="Answers at once.",
        models=EchoImageService.info.models,
        default_model="echo",
        needs_key=False,
    )


def measure(bench: Bench) -> list[Figure]:
    """Milliseconds that the router adds."""
    figures = {
        "echo": (Figure("router overhead, p50", "ms", budget=0.3), Figure("router overhead, p99", "ms", budget=1.0)),
        "paid": (Figure("router overhead with receipt, p50", "ms"), Figure("router overhead with receipt, p99", "ms")),
    }
    if any(contestant.is_ours for contestant in bench.contestants):
        for run in range(bench.runs):
            asyncio.run(_run(bench.folder / f"router-{run}", bench.count(CALLS), figures))
    return [figure for pair in figures.values() for figure in pair]


async def _run(folder: Path, calls: int, figures: dict[str, tuple[Figure, Figure]]) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=ANSWER))
    database = SqliteDatabase(folder / "router.db")
    await database.migrate()
    async with httpx.AsyncClient(transport=transport, base_url="http://provider") as client:
        services = [EchoImageService(), PaidEchoImageService()]
        for service in services:
            service.client = client
        manager = ImageServiceManager(services, ReceiptStore(database, DiskObjects(folder)))
        for provider_id, (p50, p99) in figures.items():
            await _compare(manager, client, provider_id, calls, p50, p99)
    await database.close()


async def _compare(
    manager: ImageServiceManager, client: httpx.AsyncClient, provider_id: str, calls: int, p50: Figure, p99: Figure
) -> None:
    bare, routed = [], []
    for number in range(WARM_UP + calls):
        request = ImageRequest(prompt=f"a lighthouse {number}", model=f"{provider_id}/echo")
        key = CallKey(f"{provider_id}-{number}", "node")
        first = await _seconds(lambda r=request: _ask(client, r.prompt))  # type: ignore[misc]
        second = await _seconds(lambda r=request, k=key: manager.generate(r, k))  # type: ignore[misc]
        if number >= WARM_UP:
            bare.append(first * 1000)
            routed.append(second * 1000)
    for figure, share in ((p50, 50), (p99, 99)):
        value = _percentile(routed, share) - _percentile(bare, share)
        figure.add(OURS, value)
        print(f"  {figure.title} {value:.4g} ms (bare call {_percentile(bare, share):.4g} ms)", flush=True)


async def _seconds(call: Call) -> float:
    started = time.perf_counter()
    await call()
    return time.perf_counter() - started


def _percentile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100)[share - 1]
