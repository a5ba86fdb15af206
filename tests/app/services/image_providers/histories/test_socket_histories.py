"""Crash histories over Runware's WebSocket: lines that break under questions, answers that double or come late."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.services.image_providers.histories.test_receipt_histories import (
    WORKS,
    History,
    history,
    template,  # noqa: F401
    walk,
)
from tests.simulators.runware_socket import RunwareSocketSimulator
from tests.simulators.simulator import Fault

LABEL = "runware-socket"
QUESTION_FAULTS = (
    Fault("slow"),
    Fault("slow", seconds=0.03),
    Fault("cut before"),
    Fault("cut after"),
    Fault("garbage"),
    Fault("trouble", "rate limited"),
    Fault("trouble", "server error"),
)
PAID_FAULTS = (Fault("cut before"), Fault("cut after"), Fault("garbage"), Fault("slow", seconds=0.03), None, None)


@pytest.fixture(scope="module")
def runware() -> Iterator[RunwareSocketSimulator]:
    simulator = RunwareSocketSimulator()
    simulator.start()
    yield simulator
    simulator.stop()


def told_by(seed: int) -> tuple[History, list[Fault], int]:
    """What happens to the paid frame and to the studio, to the questions, and how often each answer comes."""
    dice = random.Random(seed)
    deaths = history(seed).deaths[:2]
    work = dice.choice(WORKS[LABEL]) if dice.random() < 0.3 else None
    questions = [dice.choice(QUESTION_FAULTS) for _ in range(dice.randint(0, 3))]
    return History(LABEL, dice.choice(PAID_FAULTS), deaths, work=work), questions, dice.choice((1, 1, 2))


@pytest.mark.scaled
async def test_a_broken_line_pays_nothing_twice_and_loses_nothing(
    tmp_path: Path,
    template: Path,  # noqa: F811
    runware: RunwareSocketSimulator,
    pytestconfig: pytest.Config,
) -> None:
    ends: Counter[str] = Counter()
    for seed in range(pytestconfig.getoption("--histories") // 10):
        told, runware.free_faults, runware.repeats = told_by(seed)
        try:
            ends[await walk(told, tmp_path / str(seed), template, {LABEL: runware})] += 1
        except BaseException as error:
            raise AssertionError(f"history {seed}: {told_by(seed)}: {error}") from error
    assert ends["stored"], ends
