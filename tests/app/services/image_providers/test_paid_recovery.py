"""Paid pictures that nobody waits for: one that cannot be had keeps no other back, and is in doubt in the end."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.image_providers import paid_recovery
from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.paid_recovery import PaidRecovery
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.receipts import CallKey, Receipt, ReceiptState, ReceiptStore
from invokeai.app.services.image_records.image_record_store import ImageRecordStore
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.shared.database.base import Database, DatabaseUnavailable
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.timestamps import timestamp_after
from tests.app.services.image_providers.fake_providers import PaidImageService, SlowImageService

REQUEST = ImageRequest(prompt="a fox", model="paid/pro")


class AfterACrash:
    """A server that finds calls of a program that is gone, in the order of their sessions."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.provider = PaidImageService(lambda: ProviderCredentials(api_key="k"))
        self.provider.can_be_asked = True
        self.store = ReceiptStore(database, DiskObjects(folder))
        self.images = ImageService(DiskImageFileStorage(folder / "images"), ImageRecordStore(database), 10**8)
        self.manager = ImageServiceManager([self.provider], self.store)
        self.faults: dict[str, Exception] = {}
        """What `resume` raises for a call, by its session."""
        self.provider.resume = self.resume  # type: ignore[method-assign]

    async def resume(self, receipt: Receipt) -> ImageResult | None:
        for session, fault in self.faults.items():
            if receipt.receipt_id == CallKey(session, "node").receipt_id:
                raise fault
        return await PaidImageService.resume(self.provider, receipt)

    async def crash_with(self, *sessions: str) -> None:
        """Calls that had left, the first one first."""
        for session in sessions:
            receipt = await self.store.open(CallKey(session, "node"), "paid", "pro", REQUEST)
            await receipt.sent("job-7")

    def recovery(self, manager: ImageServiceManager | None = None) -> PaidRecovery:
        return PaidRecovery(manager or self.manager, self.store, self.images, alone=True)

    async def a_day_passes(self) -> None:
        await self.database.execute("UPDATE generation_receipts SET created_at = ?", timestamp_after(-25 * 3600))

    async def states(self) -> dict[str, Any]:
        rows = await self.database.fetch("SELECT session_id, state FROM generation_receipts")
        return {str(row["session_id"]): row["state"] for row in rows}


@pytest.fixture
def server(any_database: Database, tmp_path: Path) -> AfterACrash:
    return AfterACrash(any_database, tmp_path)


async def test_a_provider_that_fails_on_one_call_keeps_no_other_back(
    server: AfterACrash, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.crash_with("first", "second")
    server.faults["first"] = KeyError("a plug-in's bug")
    monkeypatch.setattr(paid_recovery, "FIRST_SECONDS", 0)
    recovery = server.recovery()
    recovery.start()
    async with asyncio.timeout(30):
        while (await server.states())["second"] != "stored":
            await asyncio.sleep(0.001)
    await recovery.stop()
    assert await server.states() == {"first": "sent", "second": "stored"}
    await server.a_day_passes()
    assert await server.recovery().recover(timestamp_after(0)) == 0
    assert (await server.states())["first"] == "unknown"


async def test_what_has_been_answered_comes_before_what_is_still_made(server: AfterACrash) -> None:
    await server.crash_with("asked", "answered")
    receipt = await server.store.get(CallKey("answered", "node").receipt_id)
    assert receipt is not None
    await receipt.answered(b"red")
    stored: list[str] = []
    create = server.images.create

    async def told(*given: Any, **named: Any) -> Any:
        stored.append(named["session_id"])
        return await create(*given, **named)

    server.images.create = told  # type: ignore[method-assign]
    assert await server.recovery().recover(timestamp_after(0)) == 2
    assert stored == ["answered", "asked"]


async def test_calls_under_way_take_no_late_picture_its_turn(server: AfterACrash) -> None:
    await server.crash_with("under way", "old", "late")
    for session in ("old", "late"):
        receipt = await server.store.get(CallKey(session, "node").receipt_id)
        assert receipt is not None
        await receipt.ended(ReceiptState.SENT, "it was not done yet")
    old = CallKey("old", "node").receipt_id
    long_ago = "UPDATE generation_receipts SET created_at = ? WHERE receipt_id = ?"
    await server.database.execute(long_ago, timestamp_after(-7200), old)
    (call,) = await server.store.left_over(timestamp_after(1), 1, late_since=timestamp_after(-3600))
    assert call.session_id == "late"


async def test_a_call_whose_provider_is_gone_is_in_doubt_after_a_day(server: AfterACrash) -> None:
    await server.crash_with("first")
    recovery = server.recovery(ImageServiceManager([SlowImageService()], server.store))
    await recovery.recover(timestamp_after(0))
    assert (await server.states())["first"] == "sent"
    await server.a_day_passes()
    await recovery.recover(timestamp_after(0))
    (row,) = await server.database.fetch("SELECT state, error FROM generation_receipts")
    assert dict(row) == {"state": "unknown", "error": "There is no provider 'paid'."}


async def test_a_store_that_is_away_puts_no_picture_in_doubt(
    server: AfterACrash, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*given: Any, **named: Any) -> Any:
        raise DatabaseUnavailable("the database does not answer")

    await server.crash_with("first", "second")
    await server.a_day_passes()
    with monkeypatch.context() as patch:
        patch.setattr(server.images, "create", away)
        assert await server.recovery().recover(timestamp_after(0)) == 0
    assert len(server.provider.asked) == 1, "the store was tried for each call"
    assert await server.recovery().recover(timestamp_after(0)) == 2
    assert set((await server.states()).values()) == {"stored"}
