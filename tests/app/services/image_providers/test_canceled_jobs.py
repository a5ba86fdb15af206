"""A job that its user cancels: told to a provider that takes jobs back, and what was done until then is kept."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.paid_work import see_through, wait_for_paid_work
from invokeai.app.services.image_providers.receipts import CallKey
from invokeai.app.services.shared.invocation_scope import CancelFlag
from tests.app.services.image_providers.cloud_bench import KEY, CloudBench, cloud_bench, scene
from tests.app.services.image_providers.provider_cases import bfl, fal, parasail_batches, replicate
from tests.simulators.parasail import ParasailSimulator


async def cancel_when(
    bench: CloudBench, ready: Callable[[], object], request: ImageRequest | None = None, key: CallKey = KEY
) -> list[ImageResult]:
    """Ask, cancel as the user when `ready`, and wait for what goes on; what came all the same."""
    results: list[ImageResult] = []

    async def make() -> None:
        results.append(await bench.generate(request, key))

    flag = CancelFlag()
    making = asyncio.create_task(see_through(make(), flag))
    while not ready():
        assert not making.done(), making.exception()
        await asyncio.sleep(0.005)
    flag.set(for_good=True)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    await wait_for_paid_work(20)
    return results


def asked(bench: CloudBench, method: str, part: str) -> bool:
    return any(seen.method == method and part in seen.path for seen in bench.simulator.seen)


async def test_what_has_not_started_there_is_free(tmp_path: Path) -> None:
    async with cloud_bench(replicate.CASE, tmp_path) as bench:
        bench.simulator.stalls = True
        assert not await cancel_when(bench, lambda: asked(bench, "GET", "/predictions/"))
        row = await bench.receipt_row()
        assert (row["state"], row["cap_micros"]) == ("failed", 0) and not bench.simulator.ledger


async def test_what_runs_there_is_billed_for_its_time(tmp_path: Path) -> None:
    async with cloud_bench(replicate.CASE, tmp_path) as bench:
        bench.provider.longest_poll_seconds = bench.provider.first_poll_seconds = 0.3  # type: ignore[attr-defined]
        assert not await cancel_when(bench, lambda: asked(bench, "GET", "/predictions/"))
        row = await bench.receipt_row()
        assert row["state"] == "unknown" and "time may have been billed" in str(row["error"])
        assert row["cost_amount"] is None and len(bench.simulator.ledger) == 1


async def test_lines_of_a_batch_that_are_done_come_all_the_same(tmp_path: Path) -> None:
    async with cloud_bench(parasail_batches.CASE, tmp_path) as bench:
        assert isinstance(bench.simulator, ParasailSimulator)
        bench.simulator.stalls, bench.simulator.done_when_canceled = True, 1
        request = bench.request(init_image=scene(64, 48), num_images=3)
        [result] = await cancel_when(bench, lambda: asked(bench, "GET", "/batches/"), request)
        assert len(result.images) == sum(line.pictures for line in bench.simulator.ledger) == 1
        assert (await bench.receipt_row())["state"] == "answered"


async def test_a_job_that_has_started_where_that_is_too_late_comes(tmp_path: Path) -> None:
    async with cloud_bench(fal.CASE, tmp_path) as bench:
        bench.simulator.walk = ["IN_PROGRESS"] * 30 + ["COMPLETED"]  # type: ignore[attr-defined]
        [result] = await cancel_when(bench, lambda: asked(bench, "GET", "/status"))
        assert asked(bench, "PUT", "/cancel") and len(result.images) == len(bench.simulator.ledger) == 1


async def test_cancels_are_no_failures_of_the_provider(tmp_path: Path) -> None:
    async with cloud_bench(fal.CASE, tmp_path) as bench:
        bench.simulator.stalls = True
        for number in range(8):
            bench.simulator.seen.clear()
            await cancel_when(bench, lambda: asked(bench, "GET", "/status"), key=CallKey("session", str(number)))
        assert len(bench.simulator.taken_back) == 8
        bench.simulator.stalls = False
        assert len((await bench.generate()).images) == 1


async def test_another_model_is_not_asked_for_what_nobody_wants(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with cloud_bench(replicate.CASE, tmp_path) as bench, cloud_bench(bfl.CASE, tmp_path / "other") as other:
        bench.simulator.stalls = True
        bench.manager = ImageServiceManager([bench.provider, other.provider], bench.receipts)
        request = replace(bench.request(), fallback=(f"bfl/{bfl.CASE.default_model()}",))
        assert not await cancel_when(bench, lambda: asked(bench, "GET", "/predictions/"), request)
        assert bench.simulator.taken_back and not other.simulator.paid_requests
