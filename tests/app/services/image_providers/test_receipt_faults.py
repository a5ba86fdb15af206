"""What is known of a call outlives faults of the records: a database that is away, and a crash between two writes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from invokeai.app.services.image_providers.generation import Cost, CostKind, ImageRequest, ImageResult
from invokeai.app.services.image_providers.image_model import ImageModel
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderAddressRefused,
    ProviderRateLimited,
    ProviderUnavailable,
    SentElsewhere,
)
from invokeai.app.services.image_providers.receipts import CallKey, Receipt, ReceiptStore
from invokeai.app.services.shared.database.base import Database, DatabaseUnavailable, Result, SqlValue
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.timestamps import timestamp_after
from tests.app.services.image_providers.cloud_bench import cloud_bench
from tests.app.services.image_providers.fake_providers import PaidImageService
from tests.app.services.image_providers.provider_cases import all_cases
from tests.app.services.shared.database.counting_database import CountingDatabase

KEY = CallKey("session", "node")
REQUEST = ImageRequest(prompt="a fox", model="paid/pro")


class FaultyDatabase(CountingDatabase):
    """Fails when the write of `state` comes: a number of times with `fault`, without having written."""

    def __init__(self, inner: Database) -> None:
        super().__init__(inner)
        self.state, self.times = "", 0
        self.fault: Callable[[], BaseException] = lambda: DatabaseUnavailable("the connection was cut")

    async def execute(self, sql: str, *params: SqlValue) -> Result:
        if self.times and sql.startswith("UPDATE generation_receipts") and params[0] == self.state:
            self.times -= 1
            raise self.fault()
        return await super().execute(sql, *params)


class Studio:
    """A manager with one paid provider on records that fail when told to; `restart` forgets all but these."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = FaultyDatabase(database), folder
        self.restart()

    def restart(self) -> None:
        self.provider = PaidImageService(lambda: ProviderCredentials(api_key="k"))
        self.store = ReceiptStore(self.database, DiskObjects(self.folder))
        self.manager = ImageServiceManager([self.provider], self.store)

    def fail_at(self, state: str, times: int = 1, fault: Callable[[], BaseException] | None = None) -> None:
        self.database.state, self.database.times = state, times
        self.database.fault = fault or self.database.fault

    async def generate(self) -> ImageResult:
        return await self.manager.generate(REQUEST, KEY)

    async def row(self) -> dict[str, object]:
        return dict(await self.database.fetch_one("SELECT * FROM generation_receipts") or {})


@pytest.fixture
def studio(any_database: Database, tmp_path: Path) -> Studio:
    return Studio(any_database, tmp_path / "objects")


async def test_a_database_that_is_away_for_a_moment_is_waited_for(studio: Studio) -> None:
    for state in ("answered", "stored"):
        studio.fail_at(state)
        result = await studio.generate()
        await studio.manager.stored(result)
    assert (await studio.row())["state"] == "stored" and len(studio.provider.sent) == 1


@pytest.mark.parametrize("written", [False, True], ids=["before it wrote", "after it wrote"])
async def test_a_call_leaves_once_the_database_says_that_it_is_this_runs(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    database, claims = studio.database.inner, list[int]()

    async def execute(sql: str, *params: SqlValue) -> Result:
        if is_claim := "SET state = 'sent'" in sql:
            claims.append(len(studio.provider.sent))
        cut = is_claim and len(claims) == 1
        if cut and not written:
            raise DatabaseUnavailable("the connection was cut")
        result = await database.execute(sql, *params)
        if cut:
            raise DatabaseUnavailable("the connection was cut")
        return result

    monkeypatch.setattr(studio.database, "execute", execute)
    await studio.manager.stored(await studio.generate())
    assert claims == [0, 0] and len(studio.provider.sent) == 1 and (await studio.row())["state"] == "stored"


async def test_nothing_leaves_when_the_database_cannot_say_so(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invokeai.app.services.shared.patience.FIRST_WAIT_SECONDS", 1e9)

    async def execute(sql: str, *params: SqlValue) -> Result:
        raise DatabaseUnavailable("the connection was cut")

    monkeypatch.setattr(studio.database, "execute", execute)
    with pytest.raises(DatabaseUnavailable):
        await studio.generate()
    assert studio.provider.sent == []


async def test_a_call_that_failed_may_be_asked_of_another_provider_in_other_words(studio: Studio) -> None:
    studio.provider.before_sending = ProviderUnavailable("down")
    with pytest.raises(ProviderUnavailable):
        await studio.generate()
    other = ImageRequest(prompt="an owl", model="other/pro")
    receipt = await studio.store.open(KEY, "other", "pro", other)
    row = await studio.row()
    assert (receipt.provider_id, row["provider_id"], row["state"]) == ("other", "other", "prepared")
    assert "owl" in str(row["request"])
    first = await studio.store.open(KEY, "paid", "pro", REQUEST)  # another server's, that is asked for the first one
    await receipt.sent()
    assert (await studio.row())["provider_id"] == "other"  # whoever sends it writes to whom
    with pytest.raises(SentElsewhere):
        await first.sent()


async def test_pictures_of_earlier_calls_count_whichever_model_made_them(studio: Studio) -> None:
    first = await studio.store.open(KEY, "paid", "pro", REQUEST)
    await first.sent()
    await studio.store.close(first.receipt_id, Cost("0.01", kind=CostKind.REPORTED))
    second = await studio.store.open(CallKey("session", "node>other/pro", 1), "other", "pro", REQUEST)
    await second.sent()
    (left,) = await studio.store.left_over(timestamp_after(1))
    assert (left.receipt.receipt_id, left.images_before) == (second.receipt_id, 1)


async def test_a_wrong_base_url_ends_a_call_before_it_leaves(tmp_path: Path) -> None:
    case = next(case for case in all_cases() if case.label == "openai")
    async with cloud_bench(case, tmp_path) as bench:
        bench.base_url = "http://proxy.example:8000/v1"
        bench.restart()
        with pytest.raises(ProviderAddressRefused):
            await bench.generate()
        row = await bench.receipt_row()
        assert (row["state"], row["cap_micros"], bench.simulator.paid_requests) == ("failed", 0, 0)


async def test_an_answer_is_found_whose_row_could_not_name_it_any_more(studio: Studio) -> None:
    studio.fail_at("answered", fault=KeyboardInterrupt)  # the process dies between the two writes
    with pytest.raises(KeyboardInterrupt):
        await studio.generate()
    assert (await studio.row())["state"] == "sent" and not (await studio.row())["raw_answer"]
    studio.restart()
    result = await studio.generate()
    assert result.cost.amount == "0.013" and studio.provider.sent == []


async def test_a_call_is_open_for_as_long_as_the_records_are_away(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invokeai.app.services.shared.patience.LONGEST_WAIT_SECONDS", 0.0)
    monkeypatch.setattr("invokeai.app.services.shared.patience.FIRST_WAIT_SECONDS", 1e9)
    studio.fail_at("answered")
    with pytest.raises(DatabaseUnavailable):
        await studio.generate()
    assert (await studio.row())["state"] == "sent"  # not given up: it is asked about when they are there again
    assert (await studio.generate()).cost.amount == "0.013" and len(studio.provider.sent) == 1


class JobThatFailsOnce(PaidImageService):
    """Its first answer says that nothing was done, after a job was named and the answer was kept."""

    def __init__(self) -> None:
        super().__init__(lambda: ProviderCredentials(api_key="k"))
        self.errors: list[Exception] = []
        self.dies = False

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        job = f"job-{len(self.sent)}"
        await receipt.sent()
        self.sent.append(job)
        await receipt.sent(job)
        if self.errors:
            await receipt.answered(b"nothing")
            raise self.errors.pop(0)
        if self.dies:
            raise KeyboardInterrupt
        raw = self.script()
        await receipt.answered(raw)
        return self._result(raw, model.model_id)


@pytest.mark.parametrize("error", [ProviderUnavailable("no room"), ProviderRateLimited("busy", retry_after=0)])
async def test_what_is_known_of_a_try_that_cost_nothing_is_not_taken_for_the_next_one(
    studio: Studio, error: Exception
) -> None:
    studio.provider = provider = JobThatFailsOnce()
    studio.manager = ImageServiceManager([provider], studio.store)
    provider.errors, provider.dies = [error], True
    with pytest.raises((ProviderUnavailable, KeyboardInterrupt)):
        await studio.generate()
    if isinstance(error, ProviderUnavailable):
        with pytest.raises(KeyboardInterrupt):
            await studio.generate()
    assert provider.sent == ["job-0", "job-1"]
    row = await studio.row()
    assert (row["state"], row["provider_ref"], row["raw_answer"]) == ("sent", "job-1", None)
    studio.restart()
    with pytest.raises(OutcomeUnknown):
        await studio.generate()  # the answer to the first try is not that of the second
    assert studio.provider.asked == ["job-1"] and studio.provider.sent == []


async def test_a_wrong_address_in_the_settings_says_nothing_of_a_call_that_has_left(studio: Studio) -> None:
    def away() -> bytes:
        raise ProviderAddressRefused("The base URL of Paid must start with https://.")

    studio.provider.script = away
    with pytest.raises(ProviderAddressRefused):
        await studio.generate()
    assert (await studio.row())["state"] == "sent"

    async def resume(receipt: Receipt) -> ImageResult | None:
        raise ProviderAddressRefused("The base URL of Paid must start with https://.")

    studio.restart()
    was, studio.provider.resume = studio.provider.resume, resume  # type: ignore[method-assign]
    with pytest.raises(ProviderAddressRefused):
        await studio.generate()
    assert (await studio.row())["state"] == "sent"
    studio.provider.resume = was  # type: ignore[method-assign]
    studio.provider.can_be_asked = True
    assert (await studio.generate()).images and studio.provider.sent == []


async def test_a_wrong_address_before_anything_left_ends_the_call_at_no_cost(studio: Studio) -> None:
    studio.provider.before_sending = ProviderAddressRefused("The base URL of Paid must start with https://.")
    with pytest.raises(ProviderAddressRefused):
        await studio.generate()
    assert (await studio.row())["state"] == "failed"


async def test_a_cancel_ends_the_wait_for_a_database(studio: Studio) -> None:
    studio.fail_at("answered", times=1000)
    task = asyncio.create_task(studio.generate())
    while studio.database.times == 1000:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
