"""A user's cancel goes from the queue to a provider that takes jobs back; a server that stops takes nothing back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from invokeai.app.services.image_providers.paid_work import wait_for_paid_work
from invokeai.app.services.session_queue.queue_models import Batch
from tests.app.services.image_providers.histories.mortal_studio import QUEUE, MortalStudio
from tests.app.services.image_providers.histories.test_receipt_histories import (
    CASES,
    History,
    batch,
    check,
    fresh,
    template,  # noqa: F401
)
from tests.simulators.simulator import Simulator


@pytest.fixture(params=["fal", "replicate"])
def stalling(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """A service whose jobs stay in its queue."""
    simulator = CASES[request.param].simulator()
    simulator.start()
    simulator.stalls = True
    yield simulator
    simulator.stop()


async def test_a_cancel_in_the_queue_reaches_the_provider(
    tmp_path: Path,
    template: Path,  # noqa: F811
    stalling: Simulator,
) -> None:
    told = History(stalling.name, canceled_in=0)
    library = await fresh(told, tmp_path / "library", template, {stalling.name: stalling})
    assert await MortalStudio(library, None).live(batch(told), cancel=True)
    assert len(stalling.taken_back) == 1 and not stalling.ledger
    assert await check(library, told) in ("failed", "unknown")
    await library.database.close()


async def test_a_server_that_stops_takes_nothing_back(
    tmp_path: Path,
    template: Path,  # noqa: F811
    stalling: Simulator,
) -> None:
    told = History(stalling.name)
    library = await fresh(told, tmp_path / "library", template, {stalling.name: stalling})
    studio = MortalStudio(library, None)
    studio.processor._drain_seconds = 0
    await studio.processor.start()
    await studio.queue.enqueue(QUEUE, Batch.model_validate(batch(told)), False)
    while not stalling.ledger:
        await asyncio.sleep(0.005)
    await studio.processor.stop()
    stalling.stalls = False
    await wait_for_paid_work(20)
    await studio._bury()
    assert not stalling.taken_back
    assert await MortalStudio(library, None).live(None)
    assert await check(library, told) == "stored" and stalling.paid_requests == 1
    await library.database.close()
