"""OpenAI's stream: drafts come before the picture, and only the event that completes it counts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL.Image import Image

from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.image_providers.credentials import ProviderCredentialsStore
from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderBadRequest,
    ProviderQuotaExhausted,
    ProviderRefused,
)
from invokeai.app.services.image_providers.receipts import CallKey
from tests.app.services.image_providers.cloud_bench import KEY, CloudBench, cloud_bench
from tests.app.services.image_providers.provider_cases.openai import CASE
from tests.simulators.openai import OpenAISimulator
from tests.simulators.simulator import Fault, draw

Heard = list[tuple[str, float | None, Image | None]]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


def service_of(bench: CloudBench) -> OpenAISimulator:
    assert isinstance(bench.simulator, OpenAISimulator)
    return bench.simulator


def drafted(bench: CloudBench, drafts: Any, heard: Heard | None = None, mode: Any = "txt2img") -> ImageRequest:
    request = bench.request(mode, options={"quality": "low", "partial_images": drafts})
    if heard is None:
        return request
    return replace(request, on_progress=lambda message, share, image: heard.append((message, share, image)))


@pytest.mark.parametrize("drafts", [0, 1, 3])
async def test_drafts_are_shown_and_the_picture_is_kept(bench: CloudBench, drafts: int) -> None:
    heard: Heard = []
    result = await bench.generate(drafted(bench, drafts, heard))
    assert [(message, share) for message, share, _ in heard] == [
        (f"Draft {n} of {drafts}", n / (drafts + 1)) for n in range(1, drafts + 1)
    ]
    assert all(image is not None and image.size == (256, 256) for _, _, image in heard)
    assert result.images[0].image == draw(1024, 1024, "a red fox in the snow req_0 0")
    assert Decimal(result.cost.amount or 0) == bench.simulator.ledger[0].amount
    sent = bench.simulator.ledger[0].request
    assert sent["stream"] is True and sent["partial_images"] == drafts


async def test_without_the_option_there_is_no_stream(bench: CloudBench) -> None:
    await bench.generate()
    assert bench.simulator.ledger[0].request["stream"] is False


@pytest.mark.parametrize("mode", ["img2img", "inpaint"])
async def test_edits_stream_too(bench: CloudBench, mode: str) -> None:
    heard: Heard = []
    await bench.generate(drafted(bench, 2, heard, mode))
    sent = bench.simulator.ledger[0].request
    assert len(heard) == 2 and sent["pictures"] == 1 and sent["masked"] == (mode == "inpaint")


async def test_drafts_come_while_the_picture_is_made(bench: CloudBench) -> None:
    heard: Heard = []
    gate = service_of(bench).between_events = asyncio.Event()
    task = asyncio.create_task(bench.generate(drafted(bench, 2, heard)))
    async with asyncio.timeout(60):
        while len(heard) < 2:
            await asyncio.sleep(0.005)
    assert not task.done()
    service_of(bench)._loop.call_soon_threadsafe(gate.set)
    assert len((await task).images) == 1


async def test_a_picture_that_comes_before_all_drafts_is_not_waited_beyond(bench: CloudBench) -> None:
    heard: Heard = []
    service_of(bench).stream_ends = "early final"
    result = await bench.generate(drafted(bench, 3, heard))
    assert len(result.images) == 1 and len(heard) == 1


async def test_the_kept_answer_is_read_again_after_a_restart(bench: CloudBench) -> None:
    first = await bench.generate(drafted(bench, 2))
    bench.restart()
    again = await bench.generate(drafted(bench, 2))
    assert again.images == first.images and again.cost == first.cost and again.request_id == first.request_id
    assert bench.simulator.paid_requests == 1


async def test_an_error_after_the_start_may_have_been_billed(bench: CloudBench) -> None:
    service_of(bench).stream_ends = "error"
    with pytest.raises(OutcomeUnknown, match=r"The server had an error .* It may have been billed"):
        await bench.generate(drafted(bench, 2))
    bench.restart()
    with pytest.raises(OutcomeUnknown):
        await bench.generate(drafted(bench, 2))
    assert bench.simulator.paid_requests == 1 and (await bench.receipt_row())["state"] == "unknown"


async def test_a_refusal_after_the_start_is_one(bench: CloudBench) -> None:
    service_of(bench).stream_ends = "refusal"
    for _ in range(2):
        with pytest.raises(ProviderRefused):
            await bench.generate(drafted(bench, 2))
    assert bench.simulator.paid_requests == 1


async def test_a_stream_that_ends_without_a_picture_is_said(bench: CloudBench) -> None:
    service_of(bench).stream_ends = "nothing"
    with pytest.raises(OutcomeUnknown, match="the stream ended before the picture"):
        await bench.generate(drafted(bench, 2))


@pytest.mark.parametrize("kind", ["cut after", "truncate"])
async def test_a_stream_that_is_cut_is_never_sent_for_again(bench: CloudBench, kind: str) -> None:
    bench.simulator.faults = [Fault(kind)]  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match="may have been billed"):
            await bench.generate(drafted(bench, 2))
        bench.restart()
    assert len(bench.simulator.ledger) == 1


async def test_an_error_before_the_stream_is_read_as_ever(bench: CloudBench) -> None:
    bench.simulator.faults = [Fault("trouble", "rate limited", retry_after=0.01), Fault("trouble", "no money")]
    with pytest.raises(ProviderQuotaExhausted):
        await bench.generate(drafted(bench, 1))
    assert bench.simulator.paid_requests == 2 and not bench.simulator.ledger


async def test_a_damaged_draft_does_not_cost_the_picture(bench: CloudBench) -> None:
    heard: Heard = []
    service_of(bench).draft_bytes = b"no picture"
    assert len((await bench.generate(drafted(bench, 2, heard))).images) == 1
    assert heard == []


async def test_the_key_is_blotted_out_of_a_stream(bench: CloudBench) -> None:
    await bench.generate(drafted(bench, 1))
    receipt = await bench.receipts.get(KEY.receipt_id)
    assert receipt is not None and bench.key.encode() not in (await receipt.read_answer() or b"")


def test_drafts_are_in_the_estimate() -> None:
    provider = CASE.provider()
    model = provider.info.models[0]
    plain = provider.estimate(ImageRequest(prompt="x", options={"quality": "low"}), model)
    with_drafts = provider.estimate(ImageRequest(prompt="x", options={"quality": "low", "partial_images": 3}), model)
    assert plain and with_drafts
    assert Decimal(with_drafts.amount or 0) - Decimal(plain.amount or 0) == Decimal("0.009")


@pytest.mark.parametrize(
    ("drafts", "number", "words"),
    [(4, 1, "0 to 3"), (-1, 1, "0 to 3"), (True, 1, "0 to 3"), ("2", 1, "0 to 3"), (2, 3, "one picture a request")],
)
async def test_what_cannot_be_streamed_is_refused_before_anything_is_sent(
    bench: CloudBench, drafts: Any, number: int, words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(replace(drafted(bench, drafts), num_images=number))
    assert not bench.simulator.seen


async def test_settings_ask_for_drafts_where_a_request_does_not(bench: CloudBench, tmp_path: Path) -> None:
    config = AppConfig(root=tmp_path, provider_options={"openai": {"partial_images": 2}})
    options = ProviderCredentialsStore(config).get("openai").options
    known = replace(CASE.credentials(bench.key, bench.base_url), options=options)
    bench.provider._credentials = lambda: known
    heard: Heard = []
    request = replace(bench.request(), on_progress=lambda *told: heard.append(told))
    await bench.generate(request)
    await bench.generate(replace(request, num_images=2), CallKey("session", "two at once"))
    await bench.generate(replace(request, options={"partial_images": 1}), CallKey("session", "asked for"))
    assert [job.request["partial_images"] for job in bench.simulator.ledger] == [2, 0, 1]
    assert len(heard) == 3
