"""Services that list their models: one that is gone is not found, with those there are, and nothing is sent."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.image_providers.model_list import ListingProvider, ids_in
from invokeai.app.services.image_providers.provider_errors import ProviderBadRequest
from invokeai.app.services.image_providers.providers.gemini import GeminiImageService
from invokeai.app.services.image_providers.providers.openai import OpenAIImageService
from invokeai.app.services.shared.errors import NotFound
from tests.app.services.image_providers.cloud_bench import CloudBench, cloud_bench
from tests.app.services.image_providers.provider_cases import gemini, openai, workers_ai
from tests.simulators.simulator import Fault

CASES = [openai.CASE, gemini.CASE, workers_ai.CASE]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(request.param, tmp_path) as bench:
        yield bench


def provider_of(bench: CloudBench) -> ListingProvider:
    assert isinstance(bench.provider, ListingProvider)
    return bench.provider


def ids(bench: CloudBench) -> list[str]:
    return [model.model_id for model in bench.provider.models()]


async def test_a_retired_model_is_not_found_and_nothing_is_sent(bench: CloudBench) -> None:
    usual, other, *_ = ids(bench)
    bench.simulator.gone = {usual}
    await bench.provider.refresh_models()
    with pytest.raises(NotFound, match=other):
        await bench.generate(bench.request(model_id=usual))
    assert not bench.simulator.paid_requests and usual not in ids(bench)
    assert bench.manager.route().model.model_id == bench.provider.default_model() == other
    bench.simulator.gone = set()
    await bench.provider.refresh_models()
    assert ids(bench)[0] == usual


async def test_without_a_list_the_service_itself_says_no_and_the_others_are_told(bench: CloudBench) -> None:
    usual, other, *_ = ids(bench)
    bench.simulator.gone = {usual}
    with pytest.raises(ProviderBadRequest, match=f"retired the model; use one of .*{other}"):
        await bench.generate(bench.request(model_id=usual))
    assert not bench.simulator.ledger


async def test_a_list_that_knows_nothing_of_ours_is_another_servers(bench: CloudBench) -> None:
    before = ids(bench)
    bench.simulator.gone = set(before)
    await bench.provider.refresh_models()
    assert ids(bench) == before


@pytest.mark.parametrize("fault", [Fault("trouble", "server error"), Fault("garbage"), Fault("cut before")])
async def test_a_list_that_does_not_come_leaves_the_last_one(bench: CloudBench, fault: Fault) -> None:
    usual, *others = ids(bench)
    bench.simulator.gone = {usual}
    await bench.provider.refresh_models()
    bench.simulator.gone = set()
    bench.simulator.free_faults = [fault]
    await bench.provider.refresh_models()
    assert ids(bench) == others
    bench.base_url = "http://127.0.0.1:9"
    assert usual in ids(bench), "that was the list of another address"


async def test_lists_are_asked_for_now_and_again_until_the_end(bench: CloudBench) -> None:
    bench.manager.ask_for_models(every=0.01)
    while len(bench.simulator.seen) < 3:
        await asyncio.sleep(0.005)
    bench.manager.stop_asking()
    await asyncio.sleep(0)
    assert all(seen.method == "GET" for seen in bench.simulator.seen) and provider_of(bench).listed()


def test_a_dated_name_counts_as_the_models_own() -> None:
    provider = OpenAIImageService()
    provider._told = (None, ("gpt-image-2-2026-04-21", "gpt-image-2.6-flare"))
    assert provider.has("gpt-image-2") and not provider.has("gpt-image-2.5-flare")
    assert [model.model_id for model in provider.models()] == ["gpt-image-2.6-flare", "gpt-image-2"]
    assert provider.custom_model("gpt-image-2-2026-04-21") is not None
    assert provider.custom_model("gpt-image-1") is None


def test_new_models_of_the_list_are_offered_at_an_unknown_price() -> None:
    listed = (
        "gpt-image-2",
        "gpt-image-2-2026-04-21",
        "gpt-image-1.5",
        "gpt-image-3-flare",
        "gpt-image-3-flare-2027-01-01",
    )
    openai = OpenAIImageService()
    openai._told = (None, (*listed, "gpt-5.5"))
    assert [model.model_id for model in openai.models()] == ["gpt-image-2", "gpt-image-3-flare"]
    gemini = GeminiImageService()
    passing = ("gemini-4-pro-image-preview", "gemini-2.5-flash-image", "gemini-3.5-flash")
    gemini._told = (None, ("gemini-nano-banana-2.1", "gemini-nano-banana-3", *passing))
    assert [model.model_id for model in gemini.models()] == ["gemini-nano-banana-2.1", "gemini-nano-banana-3"]
    for provider in (openai, gemini):
        new = provider.models()[-1]
        assert provider.estimate(ImageRequest(prompt="a red fox"), new) is None and len(new.description) > 10


def test_nonsense_names_nothing() -> None:
    assert (
        ids_in([], "data", "id") == ids_in({"data": 7}, "data", "id") == ids_in({"data": [3, {}]}, "data", "id") == ()
    )
