"""Paid calls leave receipts, and a call that may have been billed is never sent twice by itself."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.image_providers import image_service_manager
from invokeai.app.services.image_providers.generation import Cost, CostKind, ImageRequest, ImageResult
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.paid_work import see_through, wait_for_paid_work
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
    SentElsewhere,
)
from invokeai.app.services.image_providers.receipts import CallKey, ReceiptState, ReceiptStore
from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.timestamps import timestamp_after
from tests.app.services.image_providers.fake_providers import PaidImageService, SlowImageService
from tests.app.services.shared.database.counting_database import CountingDatabase

KEY = CallKey("session", "node", 0, "ada")
REQUEST = ImageRequest(prompt="a fox", model="paid/pro")


class Till:
    """A manager with one paid provider, as it is after a start; `restart` forgets everything but database and files."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = CountingDatabase(database), folder
        self.restart()

    def restart(self, alone: bool = True) -> None:
        self.provider = PaidImageService(lambda: ProviderCredentials(api_key="k"))
        self.store = ReceiptStore(self.database, DiskObjects(self.folder.parent), alone=alone)
        self.store.open_calls.look_seconds = 0.005
        self.manager = ImageServiceManager([self.provider, SlowImageService()], self.store)

    async def row(self) -> dict[str, Any]:
        return dict(await self.database.fetch_one("SELECT * FROM generation_receipts") or {})

    async def held_back(self) -> tuple[asyncio.Task[ImageResult], asyncio.Semaphore]:
        """A call that is written down and waits for its lane, and the lane, to be released."""
        lane = self.manager.lines["paid"]._lane
        for _ in range(PaidImageService.info.max_concurrency):
            await lane.acquire()
        late = asyncio.create_task(self.manager.generate(REQUEST, KEY))
        while not await self.row():
            await asyncio.sleep(0)
        return late, lane

    async def fails(self, error: type[Exception], match: str | None = None) -> None:
        with pytest.raises(error, match=match):
            await self.manager.generate(REQUEST, KEY)


@pytest.fixture
def till(any_database: Database, tmp_path: Path) -> Till:
    return Till(any_database, tmp_path / "receipts")


def raising(error: BaseException) -> Callable[[], bytes]:
    def script() -> bytes:
        raise error

    return script


async def test_a_paid_call_is_written_down_before_during_and_after(till: Till) -> None:
    result = await till.manager.generate(REQUEST, KEY)
    row = await till.row()
    assert (row["state"], row["provider_id"], row["model_id"], row["user_id"]) == ("answered", "paid", "pro", "ada")
    assert (row["session_id"], row["node_id"], row["call_index"], row["provider_ref"]) == (
        "session",
        "node",
        0,
        "job-7",
    )
    assert (till.folder / row["raw_answer"]).read_bytes() == b"red"
    await till.manager.stored(result)
    row = await till.row()
    assert (row["state"], row["cost_amount"], row["cost_currency"], row["cost_kind"]) == (
        "stored",
        "0.013",
        "USD",
        "reported",
    )


async def test_a_paid_call_costs_four_round_trips_and_a_free_one_none(till: Till) -> None:
    with till.database.counted() as trips:
        await till.manager.stored(await till.manager.generate(REQUEST, KEY))
    assert trips.count == 4  # prepared, sent, answered, stored
    with till.database.counted() as trips:
        free = await till.manager.generate(ImageRequest(prompt="x", model="slow", width=8, height=8), KEY)
        await till.manager.stored(free)
    assert trips.count == 0


async def test_the_receipt_is_there_before_the_request_leaves(till: Till) -> None:
    till.provider.before_sending = KeyboardInterrupt()  # the process dies here
    with pytest.raises(KeyboardInterrupt):
        await till.manager.generate(REQUEST, KEY)
    assert (await till.row())["state"] == "prepared"
    till.restart()
    await till.manager.generate(REQUEST, KEY)  # nothing had left: it is sent
    assert till.provider.sent == [KEY.receipt_id]


async def test_after_a_crash_between_sending_and_answer_nothing_is_sent_again(till: Till) -> None:
    till.provider.script = raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        await till.manager.generate(REQUEST, KEY)
    assert (await till.row())["state"] == "sent"
    till.restart()
    await till.fails(OutcomeUnknown, "may have been billed")
    await till.fails(OutcomeUnknown)
    assert till.provider.sent == [] and (await till.row())["state"] == "unknown"


async def test_a_provider_that_knows_the_job_is_asked_after_a_crash(till: Till) -> None:
    till.provider.script = raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        await till.manager.generate(REQUEST, KEY)
    till.restart()
    till.provider.can_be_asked = True
    result = await till.manager.generate(REQUEST, KEY)
    assert till.provider.asked == ["job-7"] and till.provider.sent == []
    assert result.cost == Cost("0.013", kind=CostKind.REPORTED)


async def test_an_answer_that_was_kept_is_read_again_instead_of_bought_again(till: Till) -> None:
    first = await till.manager.generate(REQUEST, KEY)
    till.restart()
    again = await till.manager.generate(REQUEST, KEY)
    assert again.images == first.images and till.provider.sent == []


async def test_an_answer_that_cannot_be_read_is_kept_and_marked(till: Till) -> None:
    till.provider.script = lambda: b"<html>"
    await till.fails(RuntimeError, "makes no sense")
    row = await till.row()
    assert row["state"] == "unknown" and "makes no sense" in row["error"]
    assert (till.folder / row["raw_answer"]).read_bytes() == b"<html>"


async def test_a_refusal_is_final_and_a_certain_failure_may_be_sent_again(till: Till) -> None:
    till.provider.script = raising(ProviderRefused("no foxes", stage="prompt"))
    await till.fails(ProviderRefused, "no foxes")
    assert (await till.row())["state"] == "refused"
    till.restart()
    await till.fails(ProviderRefused, r"^no foxes\. Change the prompt to try again\.$")  # in the same words
    assert till.provider.sent == []


async def test_a_failure_that_did_no_work_may_be_sent_again(till: Till) -> None:
    till.provider.before_sending = ProviderUnavailable("no connection")
    await till.fails(ProviderUnavailable, "no connection")
    assert (await till.row())["state"] == "failed"
    till.restart()
    await till.manager.generate(REQUEST, KEY)
    assert len(till.provider.sent) == 1


async def test_a_lost_answer_says_that_it_may_have_been_billed(till: Till) -> None:
    till.provider.script = raising(OutcomeUnknown("the connection broke; it may have been billed"))
    await till.fails(OutcomeUnknown, "broke")
    assert (await till.row())["state"] == "unknown"
    await till.fails(OutcomeUnknown)
    assert len(till.provider.sent) == 1


async def test_of_two_servers_that_prepared_the_same_call_one_sends_it(till: Till) -> None:
    """The first had lost its lease while it waited for a lane, and woke up: it takes up what the other one gets."""
    first, gate = till.manager, asyncio.Event()
    first_provider = till.provider
    late, lane = await till.held_back()
    till.restart()
    till.provider.gate = gate
    soon = asyncio.create_task(till.manager.generate(REQUEST, KEY))
    while not till.provider.sent:
        await asyncio.sleep(0)
    lane.release()
    while not first.metrics["paid"].failures["SentElsewhere"]:
        await asyncio.sleep(0)
    assert (await till.row())["state"] == "sent" and first.lines["paid"].breaker._failures == 0
    gate.set()
    result = await soon
    assert (await late).images == result.images
    await till.manager.stored(result)
    await first.stored(await late)
    assert (first_provider.sent, len(till.provider.sent)) == ([], 1) and (await till.row())["state"] == "stored"


class Pair:
    """Two servers on the same records; the first has sent a call and waits for its answer."""

    def __init__(self, till: Till) -> None:
        self.till, self.first, self.sender = till, till.manager, till.provider
        self.sender.gate = asyncio.Event()
        till.restart(alone=False)
        self.second = till.manager

    async def begin(self) -> asyncio.Task[ImageResult]:
        task = asyncio.create_task(self.first.generate(REQUEST, KEY))
        while not self.sender.sent:
            await asyncio.sleep(0)
        return task

    async def take_over(self) -> asyncio.Task[ImageResult]:
        """The second server gets the item, and begins to wait."""
        task = asyncio.create_task(self.second.generate(REQUEST, KEY))
        while not self.second.metrics["paid"].failures["SentElsewhere"] and not task.done():
            await asyncio.sleep(0)
        return task


async def test_what_another_server_still_waits_for_is_taken_up_when_it_is_there(till: Till) -> None:
    pair = Pair(till)
    sending = await pair.begin()
    waiting = await pair.take_over()
    assert not waiting.done() and (await till.row())["state"] == "sent"
    assert pair.sender.gate
    pair.sender.gate.set()
    assert (await waiting).images == (await sending).images
    assert len(pair.sender.sent) == 1 and till.provider.sent == [] and (await till.row())["state"] == "answered"


async def test_an_earlier_run_on_the_only_server_is_waited_for_too(till: Till) -> None:
    """The computer slept, so the server lost its own lease, canceled the item and took it again."""
    till.provider.gate = asyncio.Event()
    first = asyncio.create_task(see_through(till.manager.generate(REQUEST, KEY)))
    while not till.provider.sent:
        await asyncio.sleep(0)
    first.cancel()
    again = asyncio.create_task(till.manager.generate(REQUEST, KEY))
    while not till.manager.metrics["paid"].failures["SentElsewhere"] and not again.done():
        await asyncio.sleep(0)
    till.provider.gate.set()
    assert len((await again).images) == 1
    await wait_for_paid_work(5)
    assert len(till.provider.sent) == 1 and (await till.row())["state"] == "answered"


async def test_what_failed_at_no_cost_elsewhere_is_sent_here(till: Till) -> None:
    pair = Pair(till)
    pair.sender.script = raising(ProviderUnavailable("no connection"))
    sending = await pair.begin()
    waiting = await pair.take_over()
    assert pair.sender.gate
    pair.sender.gate.set()
    with pytest.raises(ProviderUnavailable):
        await sending
    await waiting
    assert len(pair.sender.sent) == len(till.provider.sent) == 1


async def test_a_server_that_says_nothing_any_more_is_not_waited_for(till: Till) -> None:
    pair = Pair(till)
    sending = await pair.begin()
    waiting = await pair.take_over()
    assert not waiting.done()
    await till.database.execute("UPDATE generation_receipts SET updated_at = ?", timestamp_after(-60))
    with pytest.raises(OutcomeUnknown, match="may have been billed"):
        await waiting
    assert (await till.row())["state"] == "unknown" and till.provider.sent == []
    assert pair.sender.gate
    pair.sender.gate.set()
    await sending
    assert (await till.row())["state"] == "answered"  # it lived all the same


async def test_a_long_wait_for_another_server_asks_the_database_ever_less_often(till: Till) -> None:
    await (await till.store.open(KEY, "paid", "pro", REQUEST)).sent()
    till.store.open_calls.look_seconds = 0.001
    with till.database.counted() as trips:
        assert not await till.store.open_calls.others_ended(KEY.session_id, KEY.node_id, KEY.index, 0.5)
    assert trips.count <= 15


async def test_the_wait_for_another_server_ends_and_says_where_the_picture_is(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_service_manager, "ELSEWHERE_SECONDS", 0.02)
    pair = Pair(till)
    sending = await pair.begin()
    with pytest.raises(SentElsewhere, match=r"its picture appears in the gallery.*Nothing was sent a second time"):
        await (await pair.take_over())
    assert (await till.row())["state"] == "sent" and till.provider.sent == []
    sending.cancel()
    await asyncio.wait([sending])


@pytest.mark.parametrize("canceled", [True, False])
async def test_a_server_that_did_not_send_a_call_does_not_end_it(till: Till, canceled: bool) -> None:
    """Ended as `failed` it would be sent again after a crash of the one that had sent it."""
    provider = till.provider
    late, lane = await till.held_back()
    till.restart()
    till.provider.gate = asyncio.Event()
    soon = asyncio.create_task(till.manager.generate(REQUEST, KEY))
    while not till.provider.sent:
        await asyncio.sleep(0)
    if canceled:
        late.cancel()
    else:
        provider.before_sending = ProviderUnavailable("no connection")
        lane.release()
    await asyncio.wait([late])
    assert (await till.row())["state"] == "sent"
    till.provider.gate.set()
    await soon


async def test_a_claim_whose_answer_got_lost_may_be_repeated(till: Till) -> None:
    first, second = [await till.store.open(KEY, "paid", "pro", REQUEST) for _ in range(2)]
    for _ in range(2):
        await till.store.claim(first, None)
    with pytest.raises(SentElsewhere):
        await till.store.claim(second, None)
    assert (await till.row())["sent_by"] == first.run


async def test_a_word_that_comes_twice_does_not_let_a_call_be_sent_twice(till: Till) -> None:
    """The answer to the first writing of "not taken" was lost, and another server has sent the call meanwhile."""
    first, second = [await till.store.open(KEY, "paid", "pro", REQUEST) for _ in range(2)]
    await first.sent()
    await first.not_taken()
    await second.sent()
    await till.store.update(first, None, None, None)
    assert (await till.row())["state"] == "sent"
    with pytest.raises(SentElsewhere):
        await first.sent()


async def test_what_is_stored_stays_stored(till: Till) -> None:
    receipt = await till.store.open(KEY, "paid", "pro", REQUEST)
    await till.manager.stored(await till.manager.generate(REQUEST, KEY))
    await receipt.ended(ReceiptState.UNKNOWN, "a server that comes late")
    assert (await till.row())["state"] == "stored"


async def test_a_cancel_while_the_provider_asks_to_wait_sends_nothing_more(till: Till) -> None:
    till.provider.script = raising(ProviderRateLimited("slow down", retry_after=30))
    work = asyncio.create_task(see_through(till.manager.generate(REQUEST, KEY)))
    while not till.provider.sent or (await till.row())["state"] != "prepared":
        await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await wait_for_paid_work(5)
    while (await till.row())["state"] in ("prepared", "sent"):
        await asyncio.sleep(0)
    assert len(till.provider.sent) == 1 and (await till.row())["state"] == "failed"


async def test_a_cancel_while_a_limited_call_is_on_its_way_sends_nothing_more(till: Till) -> None:
    till.provider.gate = asyncio.Event()
    till.provider.script = raising(ProviderRateLimited("slow down", retry_after=0))
    work = asyncio.create_task(see_through(till.manager.generate(REQUEST, KEY)))
    while not till.provider.sent:
        await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    till.provider.gate.set()
    await wait_for_paid_work(5)
    assert len(till.provider.sent) == 1 and (await till.row())["state"] == "failed"


def test_receipt_ids_are_stable_uuids_and_differ_by_call() -> None:
    keys = [CallKey("s", "n"), CallKey("s", "n", 1), CallKey("s", "m"), CallKey("t", "n")]
    assert len({key.receipt_id for key in keys}) == 4
    assert CallKey("s", "n").receipt_id == keys[0].receipt_id
