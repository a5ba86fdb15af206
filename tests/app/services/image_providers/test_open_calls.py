"""Calls that a server wrote down and never sent: they hold nothing once it is gone, and it cannot send them unseen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.invocations import load_core_invocations
from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.events.events import EventService
from invokeai.app.services.image_providers import open_calls, paid_recovery
from invokeai.app.services.image_providers.gallery_generation import generate_to_gallery
from invokeai.app.services.image_providers.generation import Cost, CostKind, ImageRequest
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.paid_recovery import PaidRecovery
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import SpendCapReached
from invokeai.app.services.image_providers.receipts import CallKey, ReceiptStore
from invokeai.app.services.image_providers.spend_caps import SpendCaps
from invokeai.app.services.session_queue.queue_models import Batch
from invokeai.app.services.session_queue.session_queue import SessionQueue
from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.timestamps import timestamp_after
from tests.app.services.image_providers.fake_providers import PaidImageService
from tests.app.services.queue_studio import batch_of

REQUEST = ImageRequest(prompt="a fox", model="paid/pro")
PRICE = Cost("0.01", kind=CostKind.ESTIMATED)


class Server:
    """One of the servers behind a cap that has room for one picture."""

    def __init__(self, database: Database, folder: Path, alone: bool = True) -> None:
        self.database = database
        self.provider = PaidImageService(lambda: ProviderCredentials(api_key="k"))
        self.provider.estimate = lambda request, model: PRICE  # type: ignore[method-assign]
        caps = SpendCaps(AppConfig(root=folder, daily_spend_cap=Decimal("0.01")), database, {})
        self.store = ReceiptStore(database, DiskObjects(folder), caps)
        self.manager = ImageServiceManager([self.provider], self.store)
        self.no_images: Any = None
        self.recovery = PaidRecovery(self.manager, self.store, self.no_images, alone=alone)

    async def buy(self, session: str) -> None:
        await self.manager.generate(REQUEST, CallKey(session, "node"))

    async def rows(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.database.fetch("SELECT * FROM generation_receipts ORDER BY created_at")]

    @asynccontextmanager
    async def waiting(self, session: str) -> AsyncIterator[asyncio.Task[None]]:
        """A call that waits for a lane inside, and gets it at the end."""
        lane = self.manager.lines["paid"]._lane
        for _ in range(PaidImageService.info.max_concurrency):
            await lane.acquire()
        task = asyncio.create_task(self.buy(session))
        while not self.manager.metrics["paid"].waiting:
            await asyncio.sleep(0)
        yield task
        lane.release()
        await asyncio.wait([task])


@pytest.mark.parametrize("alone", [True, False])
async def test_a_direct_call_that_a_crash_kept_from_leaving_holds_nothing_after_the_start(
    any_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    server = Server(any_database, tmp_path)
    server.provider.before_sending = KeyboardInterrupt()  # the process dies here
    with pytest.raises(KeyboardInterrupt):
        await generate_to_gallery(server.manager, server.no_images, REQUEST, user_id="ada")
    again = Server(any_database, tmp_path, alone)
    with pytest.raises(SpendCapReached):
        await again.buy("next")
    monkeypatch.setattr(paid_recovery, "FIRST_SECONDS", 0)
    monkeypatch.setattr(paid_recovery, "GONE_SECONDS", 0)
    again.recovery.start()
    while (await again.rows())[0]["state"] == "prepared":
        await asyncio.sleep(0.001)
    await again.recovery.stop()
    (row,) = await again.rows()
    assert (row["state"], row["cap_micros"]) == ("failed", 0)
    assert row["error"] == "The server stopped before this call was sent; nothing was billed."
    await again.buy("next")
    assert server.provider.sent == [] and len(again.provider.sent) == 1


@pytest.mark.parametrize("room", [True, False])
async def test_a_slow_server_sends_what_was_given_up_only_with_a_new_hold(
    any_database: Database, tmp_path: Path, room: bool
) -> None:
    slow, other = Server(any_database, tmp_path), Server(any_database, tmp_path)
    async with slow.waiting("slow") as call:
        assert await other.recovery.give_up(timestamp_after(0)) == 1
        if not room:
            await other.buy("other")
    first = (await slow.rows())[0]
    if room:
        assert call.exception() is None and len(slow.provider.sent) == 1
        assert (first["state"], first["cap_micros"], first["error"]) == ("answered", 10_000, None)
    else:
        assert isinstance(call.exception(), SpendCapReached) and slow.provider.sent == []
        assert (first["state"], first["cap_micros"]) == ("failed", 0)


async def test_a_call_that_waits_in_a_living_server_moves(
    any_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_calls, "BEAT_SECONDS", 0.001)
    server = Server(any_database, tmp_path)
    async with server.waiting("s"):
        (row,) = await server.rows()
        while (await server.rows())[0]["updated_at"] == row["updated_at"]:
            await asyncio.sleep(0.001)
        assert await server.recovery.give_up(row["updated_at"]) == 0
    assert (await server.rows())[0]["state"] == "answered"
    assert server.store.open_calls._beating is None


async def test_the_call_of_an_item_that_will_run_again_is_kept(any_database: Database, tmp_path: Path) -> None:
    load_core_invocations()
    server, queue = Server(any_database, tmp_path), SessionQueue(any_database, EventService(), 10)
    await queue.enqueue("default", Batch.model_validate(batch_of({"a": {"id": "a", "type": "integer"}})), False)
    (item,) = await any_database.fetch("SELECT item_id, session_id FROM session_queue")
    await server.store.open(CallKey(str(item["session_id"]), "a"), "paid", "pro", REQUEST, PRICE)
    assert await server.recovery.give_up(timestamp_after(0)) == 0
    await queue.cancel("default", int(str(item["item_id"])))
    assert await server.recovery.give_up(timestamp_after(0)) == 1
