"""Caps stop a call before it is sent, also when many come at once; sums never mix currencies or invent zeros."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.image_providers.generation import Cost, CostKind, ImageRequest, cost_text
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import ProviderRefused, ProviderUnavailable, SpendCapReached
from invokeai.app.services.image_providers.receipts import CallKey, ReceiptStore
from invokeai.app.services.image_providers.spend_caps import SpendCaps, amount_text, micros
from invokeai.app.services.image_providers.spend_reports import SpendReports
from invokeai.app.services.library_defaults.library_facts import load_facts
from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.errors import Conflict
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.app.services.image_providers.fake_providers import PaidImageService

REQUEST = ImageRequest(prompt="a fox", model="paid/pro")


class Till:
    """A paid provider that asks 0.01 a picture, behind caps."""

    def __init__(self, database: Database, folder: Path, estimate: str | None = "0.01", **settings: Any) -> None:
        self.database = database
        self.provider = PaidImageService(lambda: ProviderCredentials(api_key="k"))
        price = Cost(estimate, kind=CostKind.ESTIMATED) if estimate else None
        self.provider.estimate = lambda request, model: price  # type: ignore[method-assign]
        self.caps = SpendCaps(AppConfig(root=folder, **settings), database, {})
        self.store = ReceiptStore(database, DiskObjects(folder), self.caps)
        self.manager = ImageServiceManager([self.provider], self.store)
        self.reports = SpendReports(database)

    async def buy(self, session: str, user: str = "ada") -> None:
        key = CallKey(session, "node", user_id=user)
        await self.manager.stored(await self.manager.generate(REQUEST, key))


async def test_caps_hold_when_thirty_two_calls_come_at_once(any_database: Database, tmp_path: Path) -> None:
    till = Till(any_database, tmp_path, daily_spend_cap="0.10")
    till.provider.script = lambda: b"red"
    ends = await asyncio.gather(
        *(till.manager.generate(REQUEST, CallKey(f"s{n}", "node")) for n in range(32)), return_exceptions=True
    )
    assert len(till.provider.sent) == 10
    assert sum(isinstance(end, SpendCapReached) for end in ends) == 22
    assert len(await any_database.fetch("SELECT 1 FROM generation_receipts")) == 10


async def test_each_user_has_a_cap_of_their_own(any_database: Database, tmp_path: Path) -> None:
    till = Till(any_database, tmp_path, daily_spend_cap_per_user="0.02")
    await till.buy("1")
    with pytest.raises(
        SpendCapReached, match=r"cap on your day is 0\.02 USD: 0\.013 USD are spent or held.*about 0\.01"
    ):
        await till.buy("2")
    await till.buy("3", user="bob")
    assert len(till.provider.sent) == 2


async def test_the_true_cost_takes_the_place_of_the_estimate(any_database: Database, tmp_path: Path) -> None:
    till = Till(any_database, tmp_path, estimate="0.05", daily_spend_cap="0.08")
    await till.buy("1")  # 0.05 held, 0.013 spent
    await till.buy("2")
    with pytest.raises(SpendCapReached):
        await asyncio.gather(till.buy("3"), till.buy("4"))


async def test_a_call_that_failed_at_no_cost_gives_its_hold_back(any_database: Database, tmp_path: Path) -> None:
    till = Till(any_database, tmp_path, daily_spend_cap="0.01")
    till.provider.before_sending = ProviderUnavailable("away")
    with pytest.raises(ProviderUnavailable):
        await till.buy("1")
    till.provider.before_sending = None
    await till.buy("2")
    with pytest.raises(SpendCapReached):  # sent again it needs room again
        await till.buy("1")
    assert len(till.provider.sent) == 1


async def test_a_call_that_is_canceled_while_it_waits_gives_its_hold_back(
    any_database: Database, tmp_path: Path
) -> None:
    till = Till(any_database, tmp_path, daily_spend_cap="0.01")
    lane = till.manager.lines["paid"]._lane
    for _ in range(PaidImageService.info.max_concurrency):
        await lane.acquire()
    waiting = asyncio.create_task(till.buy("1"))
    while not await any_database.fetch("SELECT 1 FROM generation_receipts"):
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    while not till.manager.metrics["paid"].waiting:
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    lane.release()
    await till.buy("2")
    assert len(till.provider.sent) == 1


async def test_a_run_again_after_a_crash_does_not_count_twice(any_database: Database, tmp_path: Path) -> None:
    till = Till(any_database, tmp_path, daily_spend_cap="0.01")
    till.provider.before_sending = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        await till.buy("1")
    till.provider.before_sending = None
    await till.buy("1")
    assert len(till.provider.sent) == 1


async def test_under_a_cap_an_unknown_price_is_refused_or_assumed(any_database: Database, tmp_path: Path) -> None:
    till = Till(any_database, tmp_path, estimate=None, daily_spend_cap="1")
    with pytest.raises(SpendCapReached, match="assumed_image_cost"):
        await till.buy("1")
    await till.caps.change({"assumed_image_cost": Decimal("0.99")})
    await till.buy("2")
    with pytest.raises(SpendCapReached):
        await till.buy("3")
    till = Till(any_database, tmp_path, estimate=None)
    await till.buy("4")


async def test_a_cap_set_while_running_is_kept_and_settings_win(any_database: Database, tmp_path: Path) -> None:
    till = Till(any_database, tmp_path)
    await till.caps.change({"daily_spend_cap": Decimal("2.50")})
    again = SpendCaps(AppConfig(root=tmp_path), any_database, await load_facts(any_database))
    assert again.in_force()["daily_spend_cap"] == "2.50"
    fixed = SpendCaps(
        AppConfig(root=tmp_path, daily_spend_cap=Decimal(9)), any_database, await load_facts(any_database)
    )
    assert fixed.in_force()["daily_spend_cap"] == "9"
    with pytest.raises(Conflict, match=r"invokeai\.yaml"):
        await fixed.change({"daily_spend_cap": None})


async def test_a_refusal_that_was_billed_is_reported_and_counts(any_database: Database, tmp_path: Path) -> None:
    till = Till(any_database, tmp_path, estimate="0.05", daily_spend_cap="0.07")
    refusal = ProviderRefused("only words", stage="prompt")
    refusal.cost = Cost("0.03", kind=CostKind.COMPUTED)
    till.provider.before_sending = refusal
    with pytest.raises(ProviderRefused):
        await till.buy("1")
    (row,) = await till.reports.report("model")
    assert (row.amount, row.calls, row.images) == ("0.03", 1, 0)
    till.provider.before_sending = None
    with pytest.raises(SpendCapReached, match=r"0\.03 USD are spent or held"):
        await till.buy("2")


async def test_reports_count_what_is_unknown_and_never_mix_currencies(any_database: Database, tmp_path: Path) -> None:
    till = Till(any_database, tmp_path)
    costs = [
        ("1", Cost("0.10", "USD", CostKind.REPORTED), 2),
        ("2", Cost("0.20", "USD", CostKind.ESTIMATED), 1),
        ("3", Cost("7", "CNY", CostKind.COMPUTED), 1),
        ("4", Cost(), 3),
    ]
    for session, cost, images in costs:
        key = CallKey(session, "node", user_id="ada" if session != "2" else "bob")
        await till.manager.generate(REQUEST, key)
        await till.store.close(key.receipt_id, cost, images)
    rows = {row.currency: row for row in await till.reports.report("provider")}
    assert (rows["USD"].amount, rows["USD"].images, rows["USD"].images_estimated) == ("0.30", 3, 1)
    assert (rows["CNY"].amount, rows["CNY"].images) == ("7.00", 1)
    assert (rows[None].amount, rows[None].images_of_unknown_cost) == (None, 3)
    own = await till.reports.report("user", user_id="bob")
    assert [(row.name, row.amount) for row in own] == [("bob", "0.20")]
    assert {row.name for row in await till.reports.report("model")} == {"paid/pro"}
    assert await till.reports.report("day", "2000-01-01", "2000-01-02") == []


@pytest.mark.parametrize(("amount", "text"), [("0.0000001", "0.000001"), ("1", "1.00"), ("12.345678", "12.345678")])
def test_amounts_are_exact_and_the_smallest_is_not_nothing(amount: str, text: str) -> None:
    assert amount_text(micros(amount) or 0) == text


@pytest.mark.parametrize(
    ("amount", "kind", "text"),
    [
        ("0.0491216", "estimated", "about 0.0491 USD"),
        ("12.3456", "estimated", "about 12.30 USD"),
        ("0.053000", "computed", "0.053 USD"),
        ("0.0491216", "reported", "0.0491216 USD"),
        ("1E-7", "computed", "0.0000001 USD"),
        (None, "unknown", "cost unknown"),
    ],
)
def test_a_cost_is_told_in_as_many_digits_as_mean_something(amount: str | None, kind: str, text: str) -> None:
    assert cost_text(Cost(amount, "USD", CostKind(kind))) == text
