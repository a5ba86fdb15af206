"""Replicate's own pitfalls: limits told in words, different bad ends of a job, addresses that are not its own."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.image_providers.generation import Cost, CostKind
from invokeai.app.services.image_providers.picture_requests import sized
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderBadRequest,
    ProviderError,
    ProviderRateLimited,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.receipts import CallKey
from tests.app.services.image_providers.cloud_bench import CloudBench, cloud_bench, hole, scene
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


async def test_the_mask_is_white_where_something_new_goes(bench: CloudBench, replicate: ReplicateSimulator) -> None:
    model = "black-forest-labs/flux-fill-dev"
    await bench.generate(bench.request("inpaint", model, width=512, height=384, init_image=scene(300, 300)))
    mask = replicate.files["mask"].convert("L")
    assert replicate.files["image"].size == mask.size == (512, 384)
    assert hole(512, 384).getpixel((170, 128)) == 0, "ours is black there"
    assert (mask.getpixel((170, 128)), mask.getpixel((2, 2))) == (255, 0)
    assert replicate.ledger[0].request["megapixels"] == "match_input"


async def test_what_a_model_would_decide_is_said(bench: CloudBench, replicate: ReplicateSimulator) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("flux-dev", {}),
        ("flux-schnell", {"disable_safety_checker": True}),
        ("flux-kontext-pro", {}),
        ("flux-2-pro", {"safety_tolerance": 5}),
    ]
    for model, options in asked:
        request = bench.request("txt2img", f"black-forest-labs/{model}", options=options)
        await bench.generate(request, CallKey("session", model))
    dev, schnell, kontext, tolerant = [job.request for job in replicate.ledger]
    assert (dev["go_fast"], dev["disable_safety_checker"]) == (False, False)
    assert schnell["disable_safety_checker"] is True
    assert (kontext["safety_tolerance"], kontext["prompt_upsampling"]) == (2, False)
    assert tolerant["safety_tolerance"] == 5 and tolerant["aspect_ratio"] == "custom"


async def test_the_cost_is_the_lists_also_after_a_restart(bench: CloudBench, replicate: ReplicateSimulator) -> None:
    pictures = (scene(1200, 900), scene(64, 64))
    request = bench.request("txt2img", "black-forest-labs/flux-2-pro", width=1536, reference_images=pictures)
    [estimate] = bench.manager.estimate(request)
    await bench.generate(request)
    bench.restart()
    result = await bench.generate(request)
    assert estimate == result.cost == Cost("0.090", kind=CostKind.ESTIMATED)  # the run, 2 MP made, 2 + 1 MP given
    assert replicate.ledger[0].request["files"] == ["input_images.0", "input_images.1"]


@pytest.mark.parametrize(
    ("mode", "model", "changes", "words"),
    [
        ("txt2img", "flux-2-pro", {"width": 1000}, "multiples of 32"),
        ("img2img", "flux-2-pro", {"reference_images": (scene(64, 64),) * 8}, "at most 8"),
        ("img2img", "flux-kontext-pro", {"options": {"safety_tolerance": 3}}, "from 1 to 2"),
        ("txt2img", "flux-kontext-pro", {"options": {"disable_safety_checker": True}}, "no disable_safety"),
        ("inpaint", "flux-fill-dev", {"width": 1024, "height": 1000}, "multiples of 32"),
        ("inpaint", "flux-fill-pro", {"steps": 20}, "no steps"),
    ],
)
async def test_what_a_model_cannot_do_is_said_and_not_sent(
    bench: CloudBench, replicate: ReplicateSimulator, mode: Any, model: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request(mode, f"black-forest-labs/{model}", **changes))
    assert not replicate.seen


async def test_an_equal_looking_prediction_is_not_taken_for_a_lost_one(
    bench: CloudBench, replicate: ReplicateSimulator
) -> None:
    request = bench.request("img2img", "black-forest-labs/flux-dev", seed=7, strength=0.5, steps=20)
    others: list[dict[str, Any]] = [
        {"prompt": "a blue fox"},
        {"seed": 8},
        {"strength": 0.25},
        {"steps": 21},
        {"init_image": scene(1024, 1024).rotate(90)},
        {"num_images": 2},
        {"options": {"disable_safety_checker": True}},
    ]
    for number, changes in enumerate(others):
        await bench.generate(replace(request, **changes), CallKey("session", f"other {number}"))
    replicate.faults = [Fault("cut before")]
    with pytest.raises(OutcomeUnknown, match="may have been billed"):
        await bench.generate(request)
    bench.restart()
    with pytest.raises(OutcomeUnknown):
        await bench.generate(request)
    assert len(replicate.ledger) == len(others) and (await bench.receipt_row())["state"] == "unknown"


async def test_a_picture_of_another_size_is_not_taken_for_a_lost_one(
    bench: CloudBench, replicate: ReplicateSimulator
) -> None:
    await bench.generate(bench.request(seed=7), CallKey("session", "square"))
    replicate.faults = [Fault("cut before"), Fault("cut after")]
    wide = bench.request(seed=7, width=1344, height=768)
    with pytest.raises(OutcomeUnknown):
        await bench.generate(wide)
    await bench.generate(wide, CallKey("session", "wide"))
    assert len(replicate.ledger) == 2 and replicate.paid_requests == 3


async def test_an_old_prediction_is_not_taken_for_a_lost_one(bench: CloudBench, replicate: ReplicateSimulator) -> None:
    await bench.generate(bench.request(seed=7), CallKey("session", "yesterday"))
    replicate.jobs["prediction0"]["created_at"] = "2026-01-01T00:00:00.000Z"
    replicate.faults = [Fault("cut before")]
    with pytest.raises(OutcomeUnknown):
        await bench.generate(bench.request(seed=7))


async def test_a_lost_prediction_is_found_with_its_seed_and_price(
    bench: CloudBench, replicate: ReplicateSimulator
) -> None:
    replicate.faults = [Fault("cut after")]
    result = await bench.generate()
    assert result.cost == Cost("0.003", kind=CostKind.ESTIMATED)
    assert result.images[0].seed == replicate.ledger[0].request["seed"] is not None
    assert replicate.paid_requests == 1


@pytest.mark.parametrize("answered", [0, 1], ids=["listing", "asking"])
async def test_a_lost_prediction_that_may_not_be_asked_for_is_not_made_again(
    bench: CloudBench, replicate: ReplicateSimulator, answered: int
) -> None:
    replicate.faults = [Fault("cut after")]
    replicate.free_faults = [*(Fault("slow") for _ in range(answered)), Fault("trouble", "no money")]
    with pytest.raises(PaidPictureLate, match="the key was not accepted when it was asked"):
        await bench.generate()
    assert (await bench.receipt_row())["state"] == "sent"
    bench.restart()
    await bench.generate()
    assert len(replicate.ledger) == replicate.paid_requests == 1


async def test_an_upscaler_is_told_its_scale_and_enhances_no_faces(
    bench: CloudBench, replicate: ReplicateSimulator
) -> None:
    request = sized(bench.manager, bench.request("upscale", "nightmareai/real-esrgan", scale=2.5))
    result = await bench.generate(request)
    asked = replicate.ledger[0].request
    assert (asked["scale"], asked["face_enhance"], result.cost.amount) == (2.5, False, "0.002")
    await bench.generate(bench.request("upscale", "nightmareai/real-esrgan"), CallKey("session", "usual"))
    assert replicate.ledger[1].request["scale"] == 4


async def test_transparency_goes_along_with_the_picture(bench: CloudBench, replicate: ReplicateSimulator) -> None:
    picture = scene(64, 64).convert("RGBA")
    picture.putalpha(90)
    request = bench.request("remove_background", "bria/remove-background", init_image=picture)
    result = await bench.generate(sized(bench.manager, request))
    assert replicate.files["image"].mode == "RGBA" and result.cost == Cost("0.018", kind=CostKind.ESTIMATED)


@pytest.mark.parametrize("changes", [{"scale": 3.0}, {"init_image": scene(300, 300)}])
async def test_lost_work_is_found_by_its_picture_and_scale(
    bench: CloudBench, replicate: ReplicateSimulator, changes: dict[str, Any]
) -> None:
    request = bench.request("upscale", "nightmareai/real-esrgan")
    await bench.generate(sized(bench.manager, replace(request, **changes)), CallKey("session", "other"))
    replicate.faults = [Fault("cut before")]
    with pytest.raises(OutcomeUnknown):  # the other one is not taken for it
        await bench.generate(request)
    replicate.faults = [Fault("cut after")]
    await bench.generate(request, CallKey("session", "lost"))
    assert len(replicate.ledger) == 2 and replicate.paid_requests == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"init_image": scene(1500, 1500)}, "at most 2,096,704 pixels, this one has 1500×1500"),
        ({"scale": 11.0}, "its scale is from 1 to 10, not 11"),
        ({"prompt": "a fox"}, "it takes no words"),
        ({"options": {"safety_tolerance": 2}}, "it has no safety_tolerance"),
    ],
)
async def test_what_an_upscaler_cannot_do_is_said_and_not_sent(
    bench: CloudBench, changes: dict[str, Any], words: str
) -> None:
    request = sized(bench.manager, bench.request("upscale", "nightmareai/real-esrgan", **changes))
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(request)
    assert not bench.simulator.seen


async def test_a_prediction_that_is_forgotten_there_is_in_doubt(
    bench: CloudBench, replicate: ReplicateSimulator
) -> None:
    replicate.asking_address = f"{replicate.base_url}/v1/predictions/gone"
    with pytest.raises(OutcomeUnknown, match="not known there any more"):
        await bench.generate()
    assert (await bench.receipt_row())["state"] == "unknown" and replicate.paid_requests == 1


async def test_an_empty_purse_when_it_is_asked_for_does_not_pay_again(
    bench: CloudBench, replicate: ReplicateSimulator
) -> None:
    replicate.free_faults = [Fault("trouble", "no money")]
    with pytest.raises(PaidPictureLate):
        await bench.generate()
    await bench.generate()
    assert len(replicate.ledger) == replicate.paid_requests == 1
