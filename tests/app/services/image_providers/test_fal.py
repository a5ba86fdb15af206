"""fal: the queue's addresses, failures that are COMPLETED, blackened pictures and megapixels."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from invokeai.app.services.image_providers.generation import Cost, CostKind
from invokeai.app.services.image_providers.provider_errors import OutcomeUnknown, ProviderBadRequest, ProviderRefused
from tests.app.services.image_providers.cloud_bench import CloudBench, cloud_bench
from tests.app.services.image_providers.provider_cases.fal import CASE
from tests.simulators.fal import FalSimulator


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


def service_of(bench: CloudBench) -> FalSimulator:
    assert isinstance(bench.simulator, FalSimulator)
    return bench.simulator


async def test_the_addresses_of_the_queue_are_used_as_they_come(bench: CloudBench) -> None:
    result = await bench.generate(bench.request(seed=2**31 + 5))
    paths = [seen.path for seen in bench.simulator.seen]
    status = "/fal-ai/flux/requests/job-0/status"
    picture = "/pictures/job-0-0.png"
    assert paths == ["/fal-ai/flux/schnell", status, status, status, "/fal-ai/flux/requests/job-0", picture]
    assert result.images[0].seed == 5 and result.request_id == "job-0"
    assert bench.simulator.ledger[0].request["output_format"] == "png"


@pytest.mark.parametrize(
    "host", ["https://queue.fal.run.example.org", "http://queue.fal.run", "https://evil.example.org"]
)
async def test_an_address_elsewhere_is_not_asked(bench: CloudBench, host: str) -> None:
    service_of(bench).asking_address = host
    with pytest.raises(OutcomeUnknown, match="not its own"):
        await bench.generate()
    assert len(bench.simulator.seen) == 1


async def test_a_failed_run_is_completed_with_an_error(bench: CloudBench) -> None:
    service_of(bench).failure = {"error": "The runner fell over.", "error_type": "runner_error"}
    with pytest.raises(OutcomeUnknown, match="fell over") as failure:
        await bench.generate()
    assert failure.value.provider_code == "runner_error"
    with pytest.raises(OutcomeUnknown):
        await bench.generate()
    assert bench.simulator.paid_requests == 1


async def test_blackened_pictures_are_left_out_and_paid(bench: CloudBench) -> None:
    service_of(bench).blackened = [False, True]
    result = await bench.generate(bench.request(num_images=2))
    assert len(result.images) == 1 and "1 of 2" in (result.note or "")
    assert result.cost == Cost("0.012", kind=CostKind.ESTIMATED)


async def test_a_picture_that_is_all_black_is_a_refusal(bench: CloudBench) -> None:
    service_of(bench).blackened = [True]
    with pytest.raises(ProviderRefused, match="blackened"):
        await bench.generate()


async def test_too_many_steps_are_said_and_not_sent(bench: CloudBench) -> None:
    with pytest.raises(ProviderBadRequest, match="from 1 to 12"):
        await bench.generate(bench.request(steps=13))
    assert not bench.simulator.seen


@pytest.mark.parametrize(("side", "amount"), [(1000, "0.003"), (1024, "0.006"), (2048, "0.015")])
async def test_begun_megapixels_are_counted(bench: CloudBench, side: int, amount: str) -> None:
    [estimate] = bench.manager.estimate(bench.request(width=side, height=side))
    assert estimate == Cost(amount, kind=CostKind.ESTIMATED)
