"""Replicate's own pitfalls: limits told in words, different bad ends of a job, addresses that are not its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderError,
    ProviderRateLimited,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.receipts import CallKey
from tests.app.services.image_providers.cloud_bench import CloudBench, cloud_bench
from tests.app.services.image_providers.provider_cases.replicate import CASE
from tests.simulators.replicate import ReplicateSimulator
from tests.simulators.simulator import Fault


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


@pytest.fixture
def replicate(bench: CloudBench) -> ReplicateSimulator:
    assert isinstance(bench.simulator, ReplicateSimulator)
    return bench.simulator


async def test_a_limit_is_read_out_of_its_words(bench: CloudBench, replicate: ReplicateSimulator) -> None:
    replicate.faults = [Fault("trouble", "rate limited", retry_after=90)] * 3
    with pytest.raises(ProviderRateLimited) as limit:
        await bench.generate()
    assert limit.value.retry_after == 90


@pytest.mark.parametrize(
    ("status", "error", "state"),
    [
        ("failed", OutcomeUnknown, "unknown"),
        ("canceled", OutcomeUnknown, "unknown"),
        ("aborted", ProviderUnavailable, "failed"),
    ],
)
async def test_only_what_never_started_is_free(
    bench: CloudBench, replicate: ReplicateSimulator, status: str, error: type[ProviderError], state: str
) -> None:
    replicate.ends = (status, "the machine was lost")
    with pytest.raises(error, match="the machine was lost"):
        await bench.generate()
    assert (await bench.receipt_row())["state"] == state and replicate.paid_requests == 1


async def test_the_key_does_not_follow_a_foreign_address(bench: CloudBench, replicate: ReplicateSimulator) -> None:
    replicate.asking_address = "https://predictions.example.org/1"
    with pytest.raises(ProviderError, match="not its own"):
        await bench.generate()


async def test_a_size_is_a_ratio_and_a_seed_is_folded(bench: CloudBench, replicate: ReplicateSimulator) -> None:
    await bench.generate(bench.request(width=1344, height=768, seed=2**31 + 5))
    asked = replicate.ledger[0].request
    assert asked["aspect_ratio"] == "16:9" and asked["seed"] == 5
    with pytest.raises(ProviderBadRequest, match="1024×1024"):
        await bench.generate(bench.request(width=1000, height=1000), CallKey("session", "another"))


async def test_strength_goes_along_with_a_picture(bench: CloudBench, replicate: ReplicateSimulator) -> None:
    await bench.generate(bench.request("img2img", "black-forest-labs/flux-dev", strength=0.4))
    assert replicate.ledger[0].request["prompt_strength"] == 0.4
