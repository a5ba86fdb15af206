"""One click, at most one paid request, and nothing paid for is lost: walked through crashes at every await.

The provider's own bill is compared with the receipts and the gallery after each history.
"""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from invokeai.app.services.image_providers.capabilities import ImageMode
from invokeai.app.services.image_providers.image_model import model_hash, model_key
from invokeai.app.services.image_providers.job_provider import JobImageProvider
from invokeai.app.services.shared.database.base import Row
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from tests.app.services.image_providers.histories.mortal_studio import NODE, Library, MortalStudio, new_library
from tests.app.services.image_providers.provider_cases import all_cases
from tests.app.services.queue_studio import batch_of
from tests.simulators.simulator import Fault, Simulator

CASES = {case.label: case for case in all_cases()}
FAULTS = (
    None,
    None,
    Fault("cut before"),
    Fault("cut after"),
    Fault("truncate"),
    Fault("garbage"),
    Fault("error after", status=503),
    Fault("slow", seconds=0.02),
    Fault("trouble", "rate limited", retry_after=0.01),
    Fault("trouble", "refused prompt"),
    Fault("trouble", "server error"),
    Fault("trouble", "no money"),
)
PICTURE = "given.png"
PLACES = 48
"""About how many places a life has where it can end."""
BETWEEN_LIVES_SECONDS = 3600.0
"""Addresses of pictures die in less, where a service lets them die so soon."""


Work = tuple[ImageMode, str]
"""A mode that works on a picture, and a model that has it."""
WORKS: dict[str, list[Work]] = {
    name: [(mode, model.model_id) for model in case.models() if model.work for mode in model.capabilities.modes]
    for name, case in CASES.items()
}


@dataclass(frozen=True)
class History:
    """What happens between Invoke and the end: a fault at the provider, lives that end early, a cancel in one life."""

    case: str
    fault: Fault | None = None
    deaths: tuple[int, ...] = ()
    canceled_in: int | None = None
    work: Work | None = None
    """Instead of a generation: a model that works on a picture, and the way it does."""
    pictures: int = 1
    spare: str | None = None
    """Another provider, that the node allows instead."""
    two_keys: bool = False
    """There is a first key that the provider does not accept."""
    stolen_at: int | None = None
    """In the first life, that of two servers, where the second takes the item over while the first goes on."""
    away_at: int | None = None
    """Which call to the database fails in the life before the last, of those after the first request."""


def history(seed: int) -> History:
    """The history of that number."""
    dice = random.Random(seed)
    deaths = tuple(dice.randint(1, PLACES) for _ in range(dice.choice((0, 1, 1, 1, 2, 2, 3))))
    canceled_in = dice.randint(0, len(deaths)) if dice.random() < 0.25 else None
    case, fault = dice.choice(sorted(CASES)), dice.choice(FAULTS)
    work = dice.choice(WORKS[case]) if WORKS[case] and dice.random() < 0.3 else None
    pictures, spare = 1, None
    if work is None:
        pictures = dice.choice((1, 1, 1, 2, 3))
        others = [name for name in sorted(CASES) if CASES[name].name != CASES[case].name]
        spare = dice.choice(others) if dice.random() < 0.25 else None
    stolen_at = dice.randint(1, PLACES) if dice.random() < 0.2 else None
    two_keys, away_at = dice.random() < 0.2, dice.randint(1, 12) if dice.random() < 0.25 else None
    return History(case, fault, deaths, canceled_in, work, pictures, spare, two_keys, stolen_at, away_at)


@pytest.fixture(scope="module")
def simulators() -> Iterator[dict[str, Simulator]]:
    running = {name: case.simulator() for name, case in CASES.items()}
    for simulator in running.values():
        simulator.start()
    yield running
    for simulator in running.values():
        simulator.stop()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a database that is away for one call."""
    monkeypatch.setattr("invokeai.app.services.shared.patience.FIRST_WAIT_SECONDS", 0.005)


@pytest.fixture
async def template(tmp_path: Path) -> Path:
    database = SqliteDatabase(tmp_path / "template.db")
    await database.migrate()
    await database.close()
    return tmp_path / "template.db"


@pytest.mark.scaled
@pytest.mark.timeout(0)  # thousands may be asked for; each has a limit of its own
async def test_histories_never_pay_twice_nor_lose_a_paid_picture(
    tmp_path: Path, template: Path, simulators: dict[str, Simulator], pytestconfig: pytest.Config
) -> None:
    ends: Counter[str] = Counter()
    for seed in range(pytestconfig.getoption("--histories")):
        told = history(seed)
        try:
            ends[await walk(told, tmp_path / f"history-{seed}", template, simulators)] += 1
        except BaseException as error:
            raise AssertionError(f"history {seed}: {told}: {error}") from error
    assert ends["stored"] and ends["refused"] and ends["unknown"], ends


WALKS = [(name, None) for name in sorted(CASES)] + [("stability", ("upscale", "upscale-creative"))]
"""What dies at every await: each provider's generation, and work that is another kind of call."""


@pytest.mark.parametrize(("name", "work"), WALKS, ids=lambda value: value if isinstance(value, str) else "")
async def test_a_crash_at_every_await_of_one_picture(
    name: str, work: Work | None, tmp_path: Path, template: Path, simulators: dict[str, Simulator]
) -> None:
    """Ends once at each place of a whole life, then lives on."""
    library = await fresh(History(name, work=work), tmp_path / "whole", template, simulators)
    whole = MortalStudio(library, None)
    assert await whole.live(batch(History(name, work=work)))
    places, _ = whole.life.place, await library.database.close()
    assert places > 15 and len(library.simulator.ledger) == 1, whole.life.trail
    for place in range(1, places + 1):
        try:
            await walk(History(name, deaths=(place,), work=work), tmp_path / str(place), template, simulators)
        except BaseException as error:
            raise AssertionError(f"{name} died {whole.life.trail[place - 1]}: {error}") from error


@pytest.mark.parametrize("name", ["openai", "bfl"])
async def test_a_lease_lost_anywhere_on_the_way_of_one_picture(
    name: str, tmp_path: Path, template: Path, simulators: dict[str, Simulator]
) -> None:
    """A second server takes the item over at every third place of the first one's life, which goes on."""
    for place in range(1, PLACES, 3):
        await walk(History(name, stolen_at=place), tmp_path / str(place), template, simulators)


@pytest.mark.parametrize("name", ["openai", "bfl", "runware"])
async def test_a_database_that_is_away_for_any_call_after_the_request(
    name: str, tmp_path: Path, template: Path, simulators: dict[str, Simulator]
) -> None:
    """Also where it had written, and only said so no more."""
    for call in range(1, 13):
        end = await walk(History(name, away_at=call), tmp_path / str(call), template, simulators)
        assert end == "stored", call


async def walk(told: History, root: Path, template: Path, simulators: dict[str, Simulator]) -> str:
    """Live the history and check how it ended; the receipt's state."""
    library = await fresh(told, root, template, simulators)
    click: dict[str, object] | None = batch(told)
    if told.stolen_at is not None:
        first, second = (MortalStudio(library, None, alone=False) for _ in range(2))
        await first.live_beside(second, batch(told), told.stolen_at)
        click = None
    for life, ends_at in enumerate((*told.deaths, None)):
        library.simulator.passed += BETWEEN_LIVES_SECONDS if life else 0
        away_at = told.away_at if life == max(0, len(told.deaths) - 1) else None
        await MortalStudio(library, ends_at, away_at=away_at).live(
            click if life == 0 else None, cancel=told.canceled_in == life
        )
    end = await check(library, told)
    await library.database.close()
    shutil.rmtree(root)
    return end


async def fresh(told: History, root: Path, template: Path, simulators: dict[str, Simulator]) -> Library:
    simulator = as_at_the_start(simulators[told.case])
    simulator.faults[:] = [told.fault] if told.fault else []
    library = new_library(root, template, CASES[told.case], simulator)
    library.two_keys = told.two_keys
    if told.spare:
        library.spare = (CASES[told.spare], as_at_the_start(simulators[told.spare]))
    if library.case.mode != "txt2img":
        await library.give_picture(PICTURE, 64, 48)
    elif told.work:
        await library.give_picture(PICTURE, *library.case.sizes.get(told.work[1], (256, 256)))
    return library


def as_at_the_start(simulator: Simulator) -> Simulator:
    """The service without what it remembers of earlier histories."""
    for name, value in vars(type(simulator)()).items():
        if isinstance(value, (dict, list, set)) and not name.startswith("_") and name != "free_faults":
            setattr(simulator, name, value)
    return simulator


def batch(told: History) -> dict[str, object]:
    """One node with the provider's default model, as the UI sends it, or one that works on the picture."""
    case, work = CASES[told.case], told.work
    info = case.provider.info
    model = work[1] if work else case.default_model()
    width, height = case.sizes.get(model, (1024, 1024))
    identifier = {
        "key": model_key(info.provider_id, model),
        "hash": model_hash(info.provider_id, model),
        "name": model,
        "base": "external",
        "type": "external_image_generator",
    }
    if work:
        words = next(m.work.words for m in case.models() if m.model_id == model and m.work)
        node: dict[str, object] = {"id": NODE, "model": identifier, "image": {"image_name": PICTURE}}
        if work[0] == "upscale":
            prompt = "a red fox" if words == "required" else ""
            return batch_of({NODE: {**node, "type": "third_party_image_upscale", "prompt": prompt}})
        return batch_of({NODE: {**node, "type": "third_party_background_removal"}})
    node = {
        "id": NODE,
        "type": "third_party_image_generation",
        "model": identifier,
        "prompt": "a red fox",
        "width": width,
        "height": height,
        "num_images": told.pictures,
    }
    if case.mode != "txt2img":
        node |= {"mode": case.mode, "init_image": {"image_name": PICTURE}}
    if told.spare:
        node["fallback"] = [f"{CASES[told.spare].name}/{CASES[told.spare].default_model()}"]
    return batch_of({NODE: node})


async def check(library: Library, told: History) -> str:
    """Compare the bill with receipts, gallery and queue."""
    bills = [library.simulator.ledger, *([library.spare[1].ledger] if library.spare else [])]
    bill = [line for lines in bills for line in lines]
    receipts = await library.rows("SELECT * FROM generation_receipts")
    pictures = await library.rows("SELECT image_name FROM images WHERE is_intermediate = 0")
    items = await library.rows("SELECT status, error_message FROM session_queue")
    assert len(items) <= 1 and not (items and items[0]["status"] not in ("completed", "failed", "canceled")), items
    states = Counter(str(receipt["state"]) for receipt in receipts)
    ends = {"stored", "failed", "refused", "unknown"}
    assert not states.keys() - ends, states
    holding = sum(int(str(receipt["cap_micros"])) for receipt in receipts if receipt["state"] == "failed")
    assert not holding, "a call that was never sent holds something"
    assert len(bill) <= told.pictures, f"{len(bill)} billed jobs for one click of {told.pictures}"
    assert states["stored"] <= len(bill) <= states["stored"] + states["unknown"], (states, bill)
    stored = [receipt for receipt in receipts if receipt["state"] == "stored"]
    if told.stolen_at and not told.fault and states.keys() == {"stored"}:
        assert items[0]["status"] == "completed", f"its picture is stored, and it ended otherwise: {items}"
    assert len(pictures) == sum(int(str(receipt["images"])) for receipt in stored)
    if len(bill) == len(stored) and all(r["cost_kind"] in ("reported", "computed") for r in stored):
        assert sum(Decimal(str(r["cost_amount"])) for r in stored) == sum(line.amount for line in bill)
    if len(bill) > len(stored):
        check_doubts([receipt for receipt in receipts if receipt["state"] == "unknown"], library, told)
        if items[0]["status"] == "failed" and not told.stolen_at:
            assert "may have been billed" in str(items[0]["error_message"]), items
    return next((state for state in ("stored", "unknown", "refused", "failed") if states[state]), "nothing")


def check_doubts(receipts: list[Row], library: Library, told: History) -> None:
    """Something was billed and not stored: nobody could be asked for it."""
    unreadable = told.fault is not None and told.fault.kind in ("garbage", "truncate")
    for receipt in receipts:
        case = CASES[told.spare] if told.spare and receipt["provider_id"] == CASES[told.spare].name else library.case
        kept = list((library.root / "receipts").glob(f"{receipt['receipt_id']}.{receipt['sent_by']}"))
        assert not kept or unreadable, "an answer that was kept was not made use of"
        has_jobs = issubclass(case.provider, JobImageProvider)  # others note there what else they need
        if told.canceled_in is not None and case.takes_back:
            continue  # it may be billed for what it did until then
        assert not (has_jobs and receipt["provider_ref"]), "a job that had a name was not asked for"
        assert not case.lost_answer_is_found
