"""Kept answers go a day after their pictures were stored, and no sooner."""

import asyncio
from pathlib import Path

import pytest

from invokeai.app.invocations import load_core_invocations
from invokeai.app.services.events.events import EventService
from invokeai.app.services.image_providers import old_answers
from invokeai.app.services.image_providers.generation import Cost, ImageRequest
from invokeai.app.services.image_providers.old_answers import OldAnswers
from invokeai.app.services.image_providers.receipts import CallKey, ReceiptStore
from invokeai.app.services.session_queue.queue_models import Batch
from invokeai.app.services.session_queue.session_queue import SessionQueue
from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.timestamps import timestamp_after
from tests.app.services.queue_studio import batch_of

REQUEST = ImageRequest(prompt="a fox", model="paid/pro")


class Archive:
    """Receipts with kept answers, by their sessions."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.objects = database, DiskObjects(folder)
        self.store = ReceiptStore(database, self.objects)
        self.old_answers = OldAnswers(database, self.objects, first_seconds=0)

    async def keep(self, session: str, *, stored: bool, days: float) -> None:
        receipt = await self.store.open(CallKey(session, "node"), "paid", "pro", REQUEST)
        await receipt.sent()
        await receipt.answered(b"the answer")
        if stored:
            await self.store.close(receipt.receipt_id, Cost("0.01"))
        moved = "UPDATE generation_receipts SET updated_at = ? WHERE receipt_id = ?"
        await self.database.execute(moved, timestamp_after(-days * 24 * 3600), receipt.receipt_id)

    async def kept(self) -> set[str]:
        rows = await self.database.fetch("SELECT session_id FROM generation_receipts WHERE raw_answer IS NOT NULL")
        assert len([entry async for entry in self.objects.entries("receipts/")]) == len(rows)
        return {str(row["session_id"]) for row in rows}


@pytest.fixture
def archive(any_database: Database, tmp_path: Path) -> Archive:
    return Archive(any_database, tmp_path)


async def test_only_old_answers_whose_pictures_are_stored_are_deleted(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_answers, "AT_ONCE", 2)
    for number in range(3):
        await archive.keep(f"old {number}", stored=True, days=1.1)
    await archive.keep("young", stored=True, days=0.9)
    await archive.keep("not stored", stored=False, days=1.1)
    assert await archive.old_answers.delete(timestamp_after(-24 * 3600)) == 3
    assert await archive.kept() == {"young", "not stored"}
    receipt = await archive.store.get(CallKey("old 1", "node").receipt_id)
    assert receipt is not None and receipt.state == "stored" and await receipt.read_answer() is None


async def test_an_item_that_will_run_again_keeps_its_answers(archive: Archive) -> None:
    load_core_invocations()
    queue = SessionQueue(archive.database, EventService(), 10)
    await queue.enqueue("default", Batch.model_validate(batch_of({"a": {"id": "a", "type": "integer"}})), False)
    (item,) = await archive.database.fetch("SELECT item_id, session_id FROM session_queue")
    await archive.keep(str(item["session_id"]), stored=True, days=2)
    assert await archive.old_answers.delete(timestamp_after(0)) == 0
    await queue.cancel("default", int(str(item["item_id"])))
    assert await archive.old_answers.delete(timestamp_after(0)) == 1


async def test_they_are_deleted_while_the_studio_runs(archive: Archive) -> None:
    await archive.keep("old", stored=True, days=1.1)
    await archive.keep("young", stored=True, days=0.9)
    archive.old_answers.start()
    async with asyncio.timeout(30):
        while len(await archive.database.fetch("SELECT 1 FROM generation_receipts WHERE raw_answer IS NOT NULL")) > 1:
            await asyncio.sleep(0.01)
    await archive.old_answers.stop()
    assert await archive.kept() == {"young"}
