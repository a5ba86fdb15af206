"""OpenAI: what would be decided by itself is said, sizes of each family, masks whose transparent part is made anew."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from invokeai.app.invocations.third_party_image_generation import OpenAIImageGenerationInvocation
from invokeai.app.services.image_providers import http_provider, image_service_manager
from invokeai.app.services.image_providers.generation import CostKind, ImageRequest, cost_text
from invokeai.app.services.image_providers.picture_addresses import (
    MAX_PIXELS_GENERATED,
    PIXELS_AT_ONCE,
    most_bytes,
)
from invokeai.app.services.image_providers.pictures import make_pictures
from invokeai.app.services.image_providers.provider_errors import ProviderBadRequest
from invokeai.app.services.image_providers.providers.openai import MODELS, OpenAIImageService
from invokeai.app.services.image_providers.receipts import CallKey
from tests.app.services.image_providers.cloud_bench import CloudBench, cloud_bench, scene
from tests.app.services.image_providers.provider_cases.openai import CASE


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


async def test_what_openai_would_decide_is_said(bench: CloudBench) -> None:
    await bench.generate()
    options = {"quality": "low", "moderation": "low", "background": "transparent"}
    await bench.generate(bench.request("inpaint", options=options), CallKey("session", "asked"))
    left_open, asked = [job.request for job in bench.simulator.ledger]
    assert (left_open["quality"], left_open["moderation"], left_open["background"]) == ("medium", "auto", "auto")
    assert {name: asked[name] for name in options} == options
    assert asked["masked"] and asked["pictures"] == 1 and asked["output_format"] == "png"


@pytest.mark.parametrize(
    ("node", "settings", "sent"),
    [
        ({}, {}, {"quality": "medium", "background": "auto"}),
        ({"quality": "auto", "background": "auto"}, {}, {"quality": "medium", "background": "auto"}),
        ({}, {"quality": "low", "background": "opaque"}, {"quality": "low", "background": "opaque"}),
        ({"quality": "high"}, {"quality": "low"}, {"quality": "high", "background": "auto"}),
    ],
)
async def test_a_field_that_a_node_leaves_at_auto_is_not_set(
    bench: CloudBench, node: dict[str, str], settings: dict[str, str], sent: dict[str, str]
) -> None:
    known, told = replace(CASE.credentials(bench.key, bench.base_url), options=settings), list[str]()
    bench.provider._credentials = lambda: known
    model = {"key": "m", "hash": "external:openai:gpt-image-2.5-flare", "name": "", "base": "external", "type": "main"}
    context: Any = SimpleNamespace(session_id="s", node_id="n", images=None)
    request = await OpenAIImageGenerationInvocation.model_validate({"model": model, "prompt": "x", **node})._request(
        context
    )
    request = replace(request, on_progress=lambda message, share, image: told.append(message))
    [estimate] = bench.manager.estimate(request)
    async for _ in make_pictures(bench.manager, request, CallKey("session", "node")):
        pass
    [job] = bench.simulator.ledger
    assert {name: job.request[name] for name in sent} == sent
    prices = {"low": "about 0.0059 USD", "medium": "about 0.013 USD", "high": "about 0.053 USD"}
    assert cost_text(estimate) == prices[sent["quality"]] and told[0] == f"Asking OpenAI ({prices[sent['quality']]})"
    assert estimate is not None and Decimal(estimate.amount or 0) >= job.amount


async def test_the_cost_is_computed_from_the_tokens_and_estimated_on_the_high_side(bench: CloudBench) -> None:
    request = bench.request("img2img", "gpt-image-2.5-flare", width=2048, height=1152, options={"quality": "low"})
    (estimate,) = bench.manager.estimate(request)
    result = await bench.generate(request)
    assert result.cost.kind is CostKind.COMPUTED
    assert Decimal(result.cost.amount or 0) == bench.simulator.ledger[0].amount
    assert estimate is not None and estimate.kind is CostKind.ESTIMATED


@pytest.mark.parametrize("quality", ["auto", "low", "medium", "high", "xhigh", "max", None])
async def test_the_caps_hold_what_a_quality_may_cost(bench: CloudBench, quality: str | None) -> None:
    bench.simulator.picture_bytes = bench.simulator.picture(16, 16, "small is quicker")
    for number, model in enumerate(MODELS):
        if quality and quality not in model.qualities:
            continue
        request = bench.request("img2img", model.model_id, options={"quality": quality} if quality else {})
        [estimate] = bench.manager.estimate(request)
        result = await bench.generate(request, CallKey("session", str(number)))
        assert estimate is not None and Decimal(estimate.amount or 0) >= bench.simulator.ledger[-1].amount
        made = {None: "medium", "auto": "high" if model.model_id == "gpt-image-2" else "max"}.get(quality, quality)
        assert result.provider_metadata == {"quality": made}


@pytest.mark.parametrize(
    ("model_id", "quality", "price"),
    [
        ("gpt-image-2.5-flare-2026-09-08", "max", "0.211000"),
        ("gpt-image-1.5", "high", "0.133000"),
        ("gpt-image-1.5", "auto", "0.133000"),
        ("gpt-image-1-mini", "medium", "0.011000"),
        ("gpt-image-1-mini", "auto", None),  # it may choose high, whose price is not known
        ("gpt-image-2-mini", "low", None),
        ("gpt-image-3-flare", "low", None),
    ],
)
def test_a_name_that_is_not_known_has_no_price(model_id: str, quality: str, price: str | None) -> None:
    provider = OpenAIImageService()
    model = provider.custom_model(model_id)
    assert model is not None
    estimate = provider.estimate(ImageRequest(prompt="", options={"quality": quality}), model)
    assert (estimate and estimate.amount) == price
    usage = {"input_tokens": 0, "output_tokens": 1_000_000}
    million = {"gpt-image-2.5-flare-2026-09-08": "30", "gpt-image-1-mini": "8"}.get(model_id)
    assert provider.cost_of({"usage": usage}, model_id).amount == million


@pytest.mark.parametrize(
    ("model_id", "changes", "words"),
    [
        ("gpt-image-2.6-flare", {"width": 1280, "height": 720}, "its sizes are"),
        ("gpt-image-2.5-flare", {"width": 1000}, "divide by 16"),
        ("gpt-image-2.5-flare", {"width": 3840, "height": 1024}, "three times"),
        ("gpt-image-2", {"options": {"quality": "max"}}, "its qualities are"),
        ("gpt-image-2", {"options": {"moderation": "none"}}, "auto or low"),
        ("gpt-image-2", {"options": {"input_fidelity": "high"}}, "input fidelity"),
        ("gpt-image-2", {"seed": 1}, "no seed"),
        ("gpt-image-2", {"reference_images": (scene(16, 16),) * 17}, "at most 16"),
    ],
)
async def test_what_a_model_cannot_do_is_said_and_not_sent(
    bench: CloudBench, model_id: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request("txt2img", model_id, **changes))
    assert not bench.simulator.seen


async def test_ten_large_pictures_come_in_calls_whose_answers_are_taken_over(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.simulator.noisy = True
    monkeypatch.setattr(image_service_manager, "PIXELS_AT_ONCE", 3 * 320 * 192)
    # what calls within the true bounds have room for, made smaller by the same factor
    bytes_at_once = http_provider.MAX_ANSWER_BYTES * 3 * 320 * 192 // PIXELS_AT_ONCE
    monkeypatch.setattr(http_provider, "MAX_ANSWER_BYTES", bytes_at_once)
    request = bench.request("txt2img", "gpt-image-2", width=320, height=192, num_images=10)
    made = [picture async for picture in make_pictures(bench.manager, request, CallKey("session", "large"))]
    assert [job.pictures for job in bench.simulator.ledger] == [3, 3, 3, 1] and len(made) == 10


def test_an_answer_has_room_for_the_largest_picture_and_for_all_of_a_call() -> None:
    for pixels in (MAX_PIXELS_GENERATED, PIXELS_AT_ONCE + 10 * 2**18):
        assert most_bytes(pixels) * 4 // 3 <= http_provider.MAX_ANSWER_BYTES
    assert PIXELS_AT_ONCE // (3840 * 2160) == 2 and PIXELS_AT_ONCE // (1536 * 1024) >= 10
    drafts_and_picture = 4 * most_bytes(3840 * 2160) * 4 // 3
    assert drafts_and_picture < http_provider.MAX_ANSWER_BYTES
