"""Stability AI: forms, masks that are white where something new goes, blurred pictures, limits and prices."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.image_providers.generation import Cost, CostKind
from invokeai.app.services.image_providers.http_answer import HttpAnswer
from invokeai.app.services.image_providers.picture_requests import sized
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderRateLimited,
    ProviderRefused,
)
from invokeai.app.services.image_providers.providers.stability import StabilityImageService
from invokeai.app.services.image_providers.stability_models import MODELS, SIZES
from tests.app.services.image_providers.cloud_bench import CloudBench, cloud_bench, edges, hole, scene
from tests.app.services.image_providers.provider_cases.stability import CASE
from tests.simulators.simulator import Fault
from tests.simulators.stability import StabilitySimulator


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


def service_of(bench: CloudBench) -> StabilitySimulator:
    assert isinstance(bench.simulator, StabilitySimulator)
    return bench.simulator


async def test_a_bare_prompt_is_a_form_too(bench: CloudBench) -> None:
    await bench.generate(bench.request(negative_prompt="fog", width=1344, height=768))
    assert bench.simulator.seen[0].headers["Content-Type"].startswith("multipart/form-data")
    asked = bench.simulator.ledger[0].request
    assert (asked["aspect_ratio"], asked["negative_prompt"], asked["output_format"]) == ("16:9", "fog", "png")


@pytest.mark.parametrize(("seed", "used"), [(None, 424242), (77, 77)])
async def test_the_seed_that_was_used_is_told(bench: CloudBench, seed: int | None, used: int) -> None:
    result = await bench.generate(bench.request(seed=seed))
    assert result.images[0].seed == used and result.request_id == "job-0"


@pytest.mark.parametrize(("strength", "sent"), [(None, 0.7), (0.0, 0.0), (0.25, 0.25)])
async def test_image_to_image_has_a_strength_and_the_size_asked_for(
    bench: CloudBench, strength: float | None, sent: float
) -> None:
    request = bench.request("img2img", "sd3.5-medium", init_image=scene(300, 300), strength=strength, guidance=4.0)
    await bench.generate(request)
    asked = bench.simulator.ledger[0].request
    assert asked["strength"] == sent and asked["mode"] == "image-to-image" and asked["cfg_scale"] == 4
    assert "aspect_ratio" not in asked and service_of(bench).files["image"].size == (1024, 1024)


async def test_a_strength_of_nothing_is_sent_with_the_picture(bench: CloudBench) -> None:
    await bench.generate(bench.request("img2img", "ultra", strength=0.0))
    assert bench.simulator.ledger[0].request["strength"] == 0 and "image" in service_of(bench).files


async def test_a_mask_is_white_where_something_new_goes(bench: CloudBench) -> None:
    request = bench.request(
        "inpaint", "inpaint", width=200, height=128, init_image=scene(200, 128), mask_image=hole(100, 64)
    )
    await bench.generate(request)
    files = service_of(bench).files
    assert files["mask"].size == files["image"].size == (200, 128) and files["mask"].mode == "L"
    assert files["mask"].getpixel((80, 50)) == 255 and files["mask"].getpixel((5, 5)) == 0
    assert files["image"].getpixel((5, 120)) == (0x2F, 0x7A, 0x3A)


async def test_a_blurred_picture_is_a_refusal(bench: CloudBench) -> None:
    bench.simulator.faults = [Fault("trouble", "refused output")]
    with pytest.raises(ProviderRefused, match=r"blurred the picture.*Change the prompt or the seed") as refusal:
        await bench.generate()
    assert refusal.value.provider_code == "CONTENT_FILTERED" and refusal.value.stage == "output"


def answer_of(status: int, name: str, **headers: str) -> HttpAnswer:
    body = {"id": "e1", "name": name, "errors": ["The service's", "words."]}
    return HttpAnswer(
        status, {key.replace("_", "-"): value for key, value in headers.items()}, json.dumps(body).encode()
    )


def test_403_is_moderation_or_the_key() -> None:
    provider = StabilityImageService()
    refused = provider.failure_of(answer_of(403, "content_moderation"))
    assert isinstance(refused, ProviderRefused) and refused.stage == "prompt" and refused.request_id == "e1"
    assert isinstance(provider.failure_of(answer_of(403, "forbidden")), ProviderAuthError)
    assert "The service's words." in str(provider.failure_of(answer_of(422, "invalid")))


def test_a_limit_without_a_hint_lasts_a_minute() -> None:
    provider = StabilityImageService()
    for headers, pause in (({}, 60), ({"retry_after": "0"}, 0), ({"retry_after": "9"}, 9)):
        limit = provider.failure_of(answer_of(429, "rate_limit_exceeded", **headers))
        assert isinstance(limit, ProviderRateLimited) and limit.retry_after == pause
    assert isinstance(provider.failure_of(HttpAnswer(502, {}, b"<html>")), OutcomeUnknown)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model_id)
async def test_estimates_never_understate_and_unknown_prices_stay_unknown(bench: CloudBench, model: Any) -> None:
    request = bench.request(model.capabilities.modes[0], model.model_id)
    (estimate,) = bench.manager.estimate(request)
    result = await bench.generate(request)
    if model.price_per_image is None:
        assert estimate is None and result.cost == Cost()
    else:
        assert estimate == result.cost == Cost(model.price_per_image, kind=CostKind.ESTIMATED)
        assert Decimal(model.price_per_image) >= bench.simulator.ledger[0].amount


@pytest.mark.parametrize("ratio", SIZES)
async def test_every_size_of_the_list_is_its_ratio(bench: CloudBench, ratio: str) -> None:
    width, height = SIZES[ratio]
    await bench.generate(bench.request(width=width, height=height))
    assert bench.simulator.ledger[0].request["aspect_ratio"] == ratio


@pytest.mark.parametrize(
    ("mode", "model_id", "changes", "words"),
    [
        ("txt2img", "core", {"width": 1024, "height": 300}, "aspect ratios are 1:1"),
        ("txt2img", "core", {"width": 2048, "height": 2048}, "about a megapixel"),
        ("txt2img", "core", {"guidance": 5.0}, "no guidance"),
        ("txt2img", "core", {"seed": 2**32 - 1}, "seeds go up to"),
        ("txt2img", "core", {"prompt": "x" * 10_001}, "10,000 characters"),
        ("txt2img", "core", {"prompt": " "}, "1 to 10,000"),
        ("txt2img", "sd3.5-large", {"guidance": 11.0}, "guidance is from 1 to 10"),
        ("img2img", "core", {}, "modes are txt2img"),
        ("inpaint", "inpaint", {"width": 4000, "height": 3000}, "at most 9,437,184 pixels"),
        ("inpaint", "inpaint", {"strength": 0.5}, "no strength"),
    ],
)
async def test_what_a_model_cannot_do_is_refused(
    bench: CloudBench, mode: Any, model_id: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request(mode, model_id, **changes))
    assert not bench.simulator.seen


async def test_what_is_kept_is_sent_with_the_edges_to_grow(bench: CloudBench) -> None:
    mask = edges(512, 384)
    await bench.generate(bench.request("inpaint", "outpaint", width=512, height=384, seed=3, mask_image=mask))
    asked = bench.simulator.ledger[0].request
    assert [asked[side] for side in ("left", "up", "right", "down")] == [128, 0, 0, 16] and asked["seed"] == 3
    assert asked["files"] == ["image"] and service_of(bench).files["image"].size == (384, 368)


async def test_a_style_comes_from_a_reference(bench: CloudBench) -> None:
    await bench.generate(bench.request("txt2img", "style", width=1344, height=768))
    asked = bench.simulator.ledger[0].request
    assert asked["aspect_ratio"] == "16:9" and asked["files"] == ["image"]


async def test_a_sketch_keeps_its_size(bench: CloudBench) -> None:
    await bench.generate(bench.request("img2img", "sketch", width=1500, height=700, negative_prompt="fog"))
    assert service_of(bench).files["image"].size == (1500, 700)
    assert bench.simulator.ledger[0].request["negative_prompt"] == "fog"


@pytest.mark.parametrize(
    ("mode", "model_id", "changes", "words"),
    [
        ("inpaint", "outpaint", {"mask_image": hole(64, 64)}, "one rectangle"),
        ("inpaint", "outpaint", {"negative_prompt": "fog"}, "negative prompt"),
        ("inpaint", "erase", {"prompt": "a fox"}, "prompt must be empty"),
        ("txt2img", "style", {"reference_images": ()}, "input image"),
        ("img2img", "structure", {"strength": 0.5}, "no strength"),
    ],
)
async def test_what_an_edit_cannot_do_is_said_and_not_sent(
    bench: CloudBench, mode: Any, model_id: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request(mode, model_id, **changes))
    assert not bench.simulator.seen


async def test_a_job_is_asked_for_until_it_is_done(bench: CloudBench) -> None:
    service_of(bench).running = 3
    request = bench.request("upscale", "upscale-creative", strength=0.2, seed=9, negative_prompt="fog")
    result = await bench.generate(request)
    asked = bench.simulator.ledger[0].request
    assert (asked["creativity"], asked["seed"], asked["negative_prompt"]) == (0.2, 9, "fog")
    assert (result.images[0].seed, result.cost) == (9, Cost("0.60", kind=CostKind.ESTIMATED))
    assert bench.simulator.paid_requests == 1 and len(bench.simulator.seen) == 5


async def test_after_a_restart_a_job_is_asked_for_and_not_paid_again(bench: CloudBench) -> None:
    service_of(bench).running = 10**6
    request = bench.request("upscale", "upscale-creative")
    task = asyncio.create_task(bench.generate(request))
    while len(bench.simulator.seen) < 3:
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    service_of(bench).running = 0
    bench.restart()
    result = await bench.generate(request)
    assert result.model_id == "upscale-creative" and bench.simulator.paid_requests == len(bench.simulator.ledger) == 1


async def test_a_blurred_job_is_a_refusal(bench: CloudBench) -> None:
    task = asyncio.create_task(bench.generate(bench.request("upscale", "upscale-creative")))
    while not service_of(bench).jobs:
        await asyncio.sleep(0.001)
    next(iter(service_of(bench).jobs.values()))["finish_reason"] = "CONTENT_FILTERED"
    with pytest.raises(ProviderRefused, match="CONTENT_FILTERED"):
        await task
    assert (await bench.receipt_row())["state"] == "refused"


async def test_a_job_that_the_key_does_not_find_stays_open(bench: CloudBench) -> None:
    service_of(bench).running = 10**6
    task = asyncio.create_task(bench.generate(bench.request("upscale", "upscale-creative")))
    while not service_of(bench).jobs:
        await asyncio.sleep(0.001)
    service_of(bench).jobs.clear()
    with pytest.raises(PaidPictureLate):
        await task
    assert (await bench.receipt_row())["state"] == "sent" and bench.simulator.paid_requests == 1


async def test_transparency_is_upscaled_too(bench: CloudBench) -> None:
    picture = scene(64, 64).convert("RGBA")
    picture.putalpha(90)
    await bench.generate(sized(bench.manager, bench.request("upscale", "upscale-fast", init_image=picture)))
    assert service_of(bench).files["image"].mode == "RGBA" and "seed" not in bench.simulator.ledger[0].request


@pytest.mark.parametrize(
    ("model_id", "changes", "words"),
    [
        ("upscale-fast", {"init_image": scene(1537, 40)}, "a side of the picture has 32 to 1536 pixels"),
        ("upscale-fast", {"scale": 2.0}, "its scale is 4, not 2"),
        ("upscale-fast", {"strength": 0.3}, "it takes no creativity"),
        ("upscale-conservative", {"strength": 0.1}, "its creativity is from 0.2 to 0.5, not 0.1"),
        ("upscale-conservative", {"prompt": " "}, "it needs a prompt"),
        ("upscale-conservative", {"scale": 4.0}, "it takes no scale"),
        ("upscale-creative", {"init_image": scene(1100, 1000)}, "at most 1,048,576 pixels, this one has 1100×1000"),
        ("upscale-creative", {"seed": 2**32}, "its seeds go up to"),
        ("remove-background", {"init_image": scene(2100, 2100)}, "at most 4,194,304 pixels"),
    ],
)
async def test_what_a_worker_cannot_do_is_refused_before_anything_is_sent(
    bench: CloudBench, model_id: str, changes: dict[str, Any], words: str
) -> None:
    mode = "remove_background" if model_id == "remove-background" else "upscale"
    with pytest.raises(ProviderBadRequest) as refusal:
        await bench.generate(sized(bench.manager, bench.request(mode, model_id, **changes)))  # type: ignore[arg-type]
    assert words in str(refusal.value) and not bench.simulator.seen
