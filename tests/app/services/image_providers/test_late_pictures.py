"""Pictures that were paid for and cannot be fetched at once: they come as soon as it is possible, and are paid once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.image_providers import paid_recovery
from invokeai.app.services.image_providers.paid_recovery import PaidRecovery
from invokeai.app.services.image_providers.provider_errors import PaidPictureLate
from invokeai.app.services.image_providers.receipts import CallKey
from invokeai.app.services.image_records.image_record_store import ImageRecordStore
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.shared.timestamps import timestamp_after
from tests.app.services.image_providers.cloud_bench import CloudBench, cloud_bench
from tests.app.services.image_providers.fake_providers import png
from tests.app.services.image_providers.provider_cases import all_cases
from tests.app.services.image_providers.provider_cases.bfl import CASE as BFL
from tests.simulators.bfl import BflSimulator
from tests.simulators.simulator import Fault

CASES = [case for case in all_cases() if case.serves_addresses]


@pytest.fixture(params=CASES, ids=lambda case: case.label)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(request.param, tmp_path) as bench:
        yield bench


async def test_a_picture_on_a_host_that_is_new_comes_once_the_settings_name_it(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.simulator.picture_address = "https://cdn.new.example/x.png"
    with pytest.raises(PaidPictureLate, match=r"cdn\.new\.example.*add it to provider_result_hosts"):
        await bench.generate()
    assert (await bench.receipt_row())["state"] == "answered"
    bench.restart()
    known = bench.provider._credentials
    monkeypatch.setattr(bench.provider, "_credentials", lambda: replace(known(), result_hosts=("new.example",)))
    answering = httpx.MockTransport(lambda request: httpx.Response(200, content=png(8, 8)))
    monkeypatch.setitem(bench.provider._clients, "results", httpx.AsyncClient(transport=answering))
    result: Any = await bench.generate()
    assert [picture.image for picture in result.images] == [png(8, 8)]
    assert bench.simulator.paid_requests == len(bench.simulator.ledger) == 1


@pytest.fixture
async def bfl(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(BFL, tmp_path) as bench:
        yield bench


def recovery_of(bench: CloudBench, alone: bool = True) -> PaidRecovery:
    images = ImageService(DiskImageFileStorage(bench.folder), ImageRecordStore(bench.database), 10**8)
    return PaidRecovery(bench.manager, bench.receipts, images, alone=alone)


async def is_late(bench: CloudBench) -> None:
    bench.simulator.pictures_are_away = True
    with pytest.raises(PaidPictureLate, match="could not be fetched"):
        await bench.generate()
    bench.simulator.pictures_are_away = False


async def test_a_late_picture_is_asked_for_soon(bfl: CloudBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paid_recovery, "FIRST_SECONDS", 3600)
    monkeypatch.setattr(paid_recovery, "LATE_SECONDS", 0.01)
    recovery = recovery_of(bfl)
    recovery.start()
    bfl.simulator.pictures_are_away = True
    with pytest.raises(PaidPictureLate):
        await bfl.generate()
    fetched = len(bfl.simulator.seen)
    async with asyncio.timeout(30):
        while len(bfl.simulator.seen) < fetched + 30:  # several looks
            await asyncio.sleep(0.01)
        bfl.simulator.pictures_are_away = False
        while (await bfl.receipt_row())["state"] != "stored":
            await asyncio.sleep(0.01)
    await recovery.stop()
    assert bfl.simulator.paid_requests == 1
    assert len(await bfl.database.fetch("SELECT 1 FROM images")) == 1


async def test_a_late_picture_is_asked_for_soon_after_a_restart_beside_other_servers(
    bfl: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paid_recovery, "FIRST_SECONDS", 0)
    monkeypatch.setattr(paid_recovery, "LATE_SECONDS", 0.01)
    await is_late(bfl)
    bfl.restart()
    recovery = recovery_of(bfl, alone=False)
    recovery.start()
    async with asyncio.timeout(30):
        while (await bfl.receipt_row())["state"] != "stored":
            await asyncio.sleep(0.01)
    await recovery.stop()
    assert bfl.simulator.paid_requests == 1


async def test_a_look_for_late_pictures_leaves_calls_alone_that_are_under_way(bfl: CloudBench) -> None:
    bfl.simulator.latency = 0.2
    call = asyncio.create_task(bfl.generate())
    while not bfl.simulator.paid_requests:
        await asyncio.sleep(0.001)
    assert await recovery_of(bfl).recover(timestamp_after(0), late_only=True) == 0
    assert (await bfl.receipt_row())["state"] == "sent" and not await bfl.database.fetch("SELECT 1 FROM images")
    await call


async def test_a_job_that_hangs_lets_other_late_pictures_have_their_turn(
    bfl: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(bfl.simulator, BflSimulator)
    bfl.simulator.free_faults = [Fault("trouble", "server error")] * 100
    keys = [CallKey("hangs", "node"), CallKey("late", "node")]
    for key in keys:
        with pytest.raises(PaidPictureLate):
            await bfl.generate(key=key)
    bfl.simulator.free_faults = []
    bfl.simulator.jobs["job-0"]["walk"] = ["Pending"]
    monkeypatch.setattr(type(bfl.provider), "unawaited_seconds", 0.2)
    bfl.restart()
    async with asyncio.timeout(30):
        while not await recovery_of(bfl).recover(timestamp_after(1), late_only=True):
            pass
    assert [(await bfl.receipt_row(key))["state"] for key in keys] == ["sent", "stored"]


async def test_a_job_is_asked_again_when_its_address_has_died(bfl: CloudBench) -> None:
    await is_late(bfl)
    bfl.simulator.passed = 601
    bfl.restart()
    assert await recovery_of(bfl).recover(timestamp_after(0)) == 1
    assert (await bfl.receipt_row())["state"] == "stored" and bfl.simulator.paid_requests == 1


async def test_a_job_that_is_forgotten_leaves_its_picture_late_for_a_day(bfl: CloudBench) -> None:
    await is_late(bfl)
    bfl.simulator.passed = 601
    bfl.simulator.jobs.clear()  # type: ignore[attr-defined]
    assert await recovery_of(bfl).recover(timestamp_after(0)) == 0
    assert (await bfl.receipt_row())["state"] == "answered"
    await bfl.database.execute("UPDATE generation_receipts SET created_at = ?", timestamp_after(-25 * 3600))
    await recovery_of(bfl).recover(timestamp_after(0))
    assert (await bfl.receipt_row())["state"] == "unknown"
