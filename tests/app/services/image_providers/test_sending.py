"""Breaker, keys and fallback: what is repeated, what is not, and that no picture is ever paid for twice."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.config.config import load_config
from invokeai.app.services.image_providers.circuit_breaker import CircuitBreaker, CircuitState
from invokeai.app.services.image_providers.credentials import ProviderCredentialsStore
from invokeai.app.services.image_providers.generation import ImageRequest, ImageResult
from invokeai.app.services.image_providers.image_model import ImageModel
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.key_ring import KeyRing, key_in_use
from invokeai.app.services.image_providers.pictures import make_pictures
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderError,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnavailable,
    SentElsewhere,
)
from invokeai.app.services.image_providers.receipts import CallKey, Receipt, ReceiptStore
from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.errors import NotFound
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.app.services.image_providers.fake_providers import PaidImageService, SlowImageService

KEY = CallKey("session", "node")
REQUEST = ImageRequest(prompt="a fox", model="slow/plain", width=8, height=8)


class Clock:
    """Time that stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class KeyedService(SlowImageService):
    """Notes with which key each call was made; `verdicts` are raised for a key."""

    def __init__(self, keys: list[str]) -> None:
        self.keys, self.used, self.verdicts = keys, [], {}  # type: ignore[var-annotated]
        self.busy: Counter[str] = Counter()
        super().__init__(lambda: ProviderCredentials(api_key=key_in_use("slow") or self.keys[0]))

    async def generate(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> ImageResult:
        key = self._credentials().api_key or ""
        self.used.append(key)
        if key in self.verdicts:
            raise self.verdicts[key]
        return await super().generate(request, model, receipt)


def keyed(*keys: str) -> tuple[ImageServiceManager, KeyedService]:
    service = KeyedService(list(keys))
    return ImageServiceManager([service], ReceiptStore(None, None), keys_of=lambda _: service.keys), service  # type: ignore[arg-type]


def free_manager(*providers: Any) -> ImageServiceManager:
    return ImageServiceManager(providers, ReceiptStore(None, None))  # type: ignore[arg-type]


async def test_a_provider_that_keeps_failing_is_left_alone_then_tried_once() -> None:
    slow, clock = SlowImageService(), Clock()
    manager = free_manager(slow)
    breaker = manager.lines["slow"].breaker = CircuitBreaker(clock)
    slow.failures = [ProviderUnavailable("away") for _ in range(6)]
    for _ in range(5):
        with pytest.raises(ProviderUnavailable, match="away"):
            await manager.generate(REQUEST)
    with pytest.raises(ProviderUnavailable, match="left alone for 30 more seconds") as refusal:
        await manager.generate(REQUEST)
    assert len(slow.calls) == 5 and refusal.value.retry_after == 30
    clock.now += 31
    assert breaker.state is CircuitState.HALF_OPEN
    ends = await asyncio.gather(*(manager.generate(REQUEST) for _ in range(3)), return_exceptions=True)
    assert len(slow.calls) == 6 and all(isinstance(end, ProviderUnavailable) for end in ends)
    clock.now += 31  # the pause has doubled
    assert breaker.state is CircuitState.OPEN
    clock.now += 30
    await manager.generate(REQUEST)
    assert breaker.state is CircuitState.CLOSED


@pytest.mark.parametrize("error", [ProviderRefused("no"), ProviderBadRequest("no"), ProviderAuthError("no")])
async def test_refusals_and_wrong_requests_do_not_open_the_breaker(error: ProviderError) -> None:
    slow = SlowImageService()
    manager = free_manager(slow)
    slow.failures = [error] * 9
    for _ in range(9):
        with pytest.raises(type(error)):
            await manager.generate(REQUEST)
    assert manager.lines["slow"].breaker.state is CircuitState.CLOSED and len(slow.calls) == 9


def test_a_trial_that_is_cancelled_makes_room_for_the_next() -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock)
    for _ in range(5):
        breaker.leave(breaker.enter(), failed=True)
    clock.now += 31
    ticket = breaker.enter()
    assert breaker.seconds_to_wait() > 0
    breaker.leave(ticket, failed=None)
    assert breaker.seconds_to_wait() == 0


async def test_calls_are_spread_over_the_keys() -> None:
    manager, service = keyed("a", "b", "c")
    service.hold = asyncio.Event()
    tasks = [asyncio.create_task(manager.generate(REQUEST)) for _ in range(3)]
    while service.running < 3:
        await asyncio.sleep(0)
    assert sorted(service.used) == ["a", "b", "c"]
    service.hold.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("error", [ProviderAuthError("bad key"), ProviderQuotaExhausted("no money")])
async def test_a_key_that_is_refused_or_spent_is_set_aside(error: ProviderError) -> None:
    manager, service = keyed("bad", "good")
    service.verdicts = {"bad": error}
    for _ in range(3):
        await manager.generate(REQUEST)
    assert service.used == ["bad", "good", "good", "good"]
    assert manager.lines["slow"].keys.set_aside() == 1


@pytest.mark.parametrize("others", [OutcomeUnknown("no such job"), ProviderBadRequest("no such job")])
async def test_a_job_is_asked_for_with_every_key_as_only_its_own_knows_it(
    any_database: Database, tmp_path: Path, others: ProviderError
) -> None:
    class Accounts(PaidImageService):
        async def resume(self, receipt: Receipt) -> ImageResult | None:
            if key_in_use("paid") != "mine":
                raise others
            return await super().resume(receipt)

    provider = Accounts(lambda: ProviderCredentials("k"))
    provider.can_be_asked = True
    store = ReceiptStore(any_database, DiskObjects(tmp_path))
    manager = ImageServiceManager([provider], store, keys_of=lambda _: ["another", "mine"])
    receipt = await store.open(KEY, "paid", "pro", REQUEST)
    await receipt.sent("job-7")
    result = await manager.generate(replace(REQUEST, model="paid/pro"), KEY)
    assert len(result.images) == 1 and provider.asked == ["job-7"] and provider.sent == []


class Accounts(PaidImageService):
    """Jobs are known to the key `knows`; those in `refused` are not accepted."""

    refused: frozenset[str] = frozenset()
    knows = ""

    async def resume(self, receipt: Receipt) -> ImageResult | None:
        if (key := str(key_in_use("paid"))) in self.refused:
            raise ProviderAuthError("bad key")
        self.asked.append(key)
        return self._result(b"blue", "pro") if key == self.knows else None


class TwoKeys:
    """A server with the keys `refused` and `mine`, and a call that one of them has sent."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.provider = database, Accounts(lambda: ProviderCredentials("k"))
        self.provider.refused = frozenset({"refused"})
        self.store = ReceiptStore(database, DiskObjects(folder))
        self.manager = ImageServiceManager([self.provider], self.store, keys_of=lambda _: ["refused", "mine"])

    async def send(self, sender: str, job: str | None = "job-7", key: CallKey = KEY) -> Receipt:
        receipt = await self.store.open(key, "paid", "pro", REQUEST)
        with self.manager.lines["paid"].keys.use_key(sender):
            await receipt.sent(job)
        return receipt

    async def follow_up(self) -> ImageResult:
        return await self.manager.generate(replace(REQUEST, model="paid/pro"), KEY)

    async def row(self) -> dict[str, Any]:
        return dict(await self.database.fetch_one("SELECT * FROM generation_receipts") or {})


async def test_the_word_of_the_key_that_had_sent_a_call_ends_it(any_database: Database, tmp_path: Path) -> None:
    """Another key that is refused says nothing about it."""
    bench = TwoKeys(any_database, tmp_path)
    await bench.send("mine")
    with pytest.raises(OutcomeUnknown, match="may have been billed"):
        await bench.follow_up()
    assert bench.provider.asked == ["mine"] and (await bench.row())["state"] == "unknown"


async def test_a_call_stays_open_while_the_key_that_had_sent_it_is_refused(
    any_database: Database, tmp_path: Path
) -> None:
    bench = TwoKeys(any_database, tmp_path)
    await bench.send("refused")
    with pytest.raises(PaidPictureLate, match="does not accept the key"):
        await bench.follow_up()
    assert bench.provider.asked == ["mine"] and (await bench.row())["state"] == "sent"
    bench.provider.refused, bench.provider.knows = frozenset(), "refused"
    assert len((await bench.follow_up()).images) == 1 and bench.provider.sent == []


@pytest.mark.parametrize("accepted_before", [False, True])
async def test_a_call_that_may_not_have_been_taken_ends_with_a_key_that_was_never_accepted(
    any_database: Database, tmp_path: Path, accepted_before: bool
) -> None:
    bench = TwoKeys(any_database, tmp_path)
    if accepted_before:
        await (await bench.send("refused", key=CallKey("session", "earlier"))).answered(b"red")
    await bench.send("refused", job=None)
    with pytest.raises(PaidPictureLate if accepted_before else OutcomeUnknown, match="key"):
        await bench.follow_up()
    state = await any_database.fetch_one("SELECT state FROM generation_receipts WHERE node_id = ?", KEY.node_id)
    assert state == {"state": "sent" if accepted_before else "unknown"} and bench.provider.asked == ["mine"]


@pytest.mark.parametrize(
    ("error", "why"),
    [(ProviderQuotaExhausted("no money"), "asks for credit"), (ProviderRateLimited("busy"), "asks to wait")],
)
async def test_a_call_that_has_left_is_never_said_to_have_cost_nothing(
    any_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    bench = TwoKeys(any_database, tmp_path)
    await bench.send("mine")

    async def resume(receipt: Receipt) -> ImageResult | None:
        raise error

    monkeypatch.setattr(bench.provider, "resume", resume)
    with pytest.raises(PaidPictureLate, match=f"may have been paid, but {why}"):
        await bench.follow_up()
    assert (await bench.row())["state"] == "sent"


async def test_where_the_key_is_not_known_a_refused_one_keeps_the_call_open(
    any_database: Database, tmp_path: Path
) -> None:
    bench = TwoKeys(any_database, tmp_path)
    await bench.send("")
    with pytest.raises(PaidPictureLate, match="does not accept the key"):
        await bench.follow_up()
    assert (await bench.row())["state"] == "sent"
    bench.provider.knows = "mine"
    assert len((await bench.follow_up()).images) == 1


async def test_a_receipt_tells_keys_apart_and_holds_none(any_database: Database, tmp_path: Path) -> None:
    bench = TwoKeys(any_database, tmp_path)
    marks = []
    for sender in ("mine", "refused"):
        await bench.send(sender)
        marks.append(str((await bench.row())["sent_with"]))
        assert len(marks[-1]) == 6 and sender not in str(await bench.row())
        await any_database.execute("UPDATE generation_receipts SET state = 'failed'")
    assert marks[0] != marks[1]


async def test_the_only_key_is_asked_anew_every_time() -> None:
    manager, service = keyed("bad")
    service.verdicts = {"bad": ProviderAuthError("bad key")}
    for _ in range(2):
        with pytest.raises(ProviderAuthError, match="bad key"):
            await manager.generate(REQUEST)
    service.verdicts = {}
    await manager.generate(REQUEST)
    assert service.used == ["bad"] * 3


async def test_a_limit_of_one_key_is_not_waited_for_while_another_is_free() -> None:
    manager, service = keyed("a", "b")
    service.verdicts = {"a": ProviderRateLimited("slow down", retry_after=600)}
    await manager.generate(REQUEST)
    assert service.used == ["a", "b"]


async def test_while_a_provider_asks_to_wait_long_nothing_more_is_sent() -> None:
    slow = SlowImageService()
    manager = free_manager(slow)
    slow.failures = [ProviderRateLimited("tomorrow", retry_after=1800)]
    with pytest.raises(ProviderRateLimited, match="tomorrow"):
        await manager.generate(REQUEST)
    with pytest.raises(ProviderRateLimited, match="asked this server to wait") as refusal:
        await manager.generate(REQUEST)
    assert len(slow.calls) == 1 and 1790 < (refusal.value.retry_after or 0) <= 1800


def test_waits_end_with_time() -> None:
    clock = Clock()
    ring = KeyRing("p", lambda _: ["a"], clock)
    assert ring.rest("a", 20, cooling=True) is False
    assert ring.seconds_to_wait() == 20
    clock.now += 21
    assert ring.seconds_to_wait() == 0


def test_several_keys_come_as_a_list_or_between_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "invokeai.yaml").write_text("provider_keys: {paid: [k1, k2]}\n")
    monkeypatch.setenv("RUNWARE_API_KEY", "r1, r2,")
    store = ProviderCredentialsStore(load_config(str(tmp_path)))
    assert store.keys("paid") == ["k1", "k2"] and store.keys("runware") == ["r1", "r2"]
    assert store.get("runware").api_key == "r1" and store.keys("none") == []


class Backup(PaidImageService):
    info = replace(PaidImageService.info, provider_id="backup", display_name="Backup", priority=2)


def two_paid(database: Database, folder: Path) -> tuple[ImageServiceManager, PaidImageService, Backup]:
    first, second = PaidImageService(lambda: ProviderCredentials("k")), Backup(lambda: ProviderCredentials("k"))
    return ImageServiceManager([first, second], ReceiptStore(database, DiskObjects(folder))), first, second


ALLOWED = ImageRequest(prompt="a fox", model="paid/pro", fallback=("backup/pro",))


async def test_another_model_is_used_only_where_it_was_allowed(any_database: Database, tmp_path: Path) -> None:
    manager, first, second = two_paid(any_database, tmp_path)
    first.before_sending = ProviderUnavailable("away")
    with pytest.raises(ProviderUnavailable, match="away"):
        await manager.generate(replace(ALLOWED, fallback=()), KEY)
    assert second.sent == []
    (picture,) = [p async for p in make_pictures(manager, ALLOWED, KEY)]
    assert len(second.sent) == 1 and picture.metadata["external_model_asked"] == "paid/pro"
    states = {r["provider_id"]: r["state"] for r in await any_database.fetch("SELECT * FROM generation_receipts")}
    assert states == {"paid": "failed", "backup": "stored"}


@pytest.mark.parametrize("error", [OutcomeUnknown("lost"), ProviderRefused("no"), ProviderBadRequest("no")])
async def test_what_may_be_billed_and_what_is_refused_never_falls_back(
    any_database: Database, tmp_path: Path, error: ProviderError
) -> None:
    manager, first, second = two_paid(any_database, tmp_path)
    first.before_sending = error
    with pytest.raises(type(error)):
        await manager.generate(ALLOWED, KEY)
    assert second.sent == []


async def test_a_fallback_that_had_left_is_followed_up_not_paid_again(any_database: Database, tmp_path: Path) -> None:
    manager, first, second = two_paid(any_database, tmp_path)
    first.before_sending = ProviderUnavailable("away")

    def dies() -> bytes:
        raise KeyboardInterrupt

    second.script = dies
    with pytest.raises(KeyboardInterrupt):
        await manager.generate(ALLOWED, KEY)
    manager, first, second = two_paid(any_database, tmp_path)  # after the restart the first works again
    second.can_be_asked = True
    result = await manager.generate(ALLOWED, KEY)
    assert (first.sent, second.sent, second.asked) == ([], [], ["job-7"])
    assert result.asked == "paid/pro"


async def test_of_two_servers_one_sends_whichever_of_the_allowed_models_it_is(
    any_database: Database, tmp_path: Path
) -> None:
    manager, first, second = two_paid(any_database, tmp_path)
    first.before_sending = ProviderUnavailable("away")
    second.gate = asyncio.Event()
    making = asyncio.create_task(manager.generate(ALLOWED, KEY))
    others, theirs, _ = two_paid(any_database, tmp_path)
    late = await others._receipts.open(KEY, "paid", "pro", ALLOWED)  # before the first server sends
    while not second.sent:
        await asyncio.sleep(0)
    with pytest.raises(SentElsewhere):
        await others.lines["paid"].call(PaidImageService.info.models[0], ALLOWED, late)
    second.gate.set()
    await making
    assert (first.sent, theirs.sent, len(second.sent)) == ([], [], 1)
    rows = await any_database.fetch("SELECT provider_id, state FROM generation_receipts")
    assert {r["provider_id"]: r["state"] for r in rows} == {"paid": "failed", "backup": "answered"}


async def test_a_provider_without_a_key_may_be_replaced_too(any_database: Database, tmp_path: Path) -> None:
    manager = ImageServiceManager(
        [PaidImageService(), Backup(lambda: ProviderCredentials("k"))],
        ReceiptStore(any_database, DiskObjects(tmp_path)),
    )
    (picture,) = [p async for p in make_pictures(manager, ALLOWED, KEY)]
    assert picture.metadata["external_provider"] == "backup"


def test_errors_say_what_there_is_and_what_to_do() -> None:
    manager = free_manager(SlowImageService(), PaidImageService())
    with pytest.raises(NotFound, match="The models are slow/plain"):
        manager.route("plan")
    with pytest.raises(NotFound, match=r"Paid has no model 'por'\. The models are paid/pro"):
        manager.route("paid/por")
    with pytest.raises(ProviderUnavailable, match=r"set up one of these. Paid: Enter an API key for Paid"):
        free_manager(PaidImageService()).route()
