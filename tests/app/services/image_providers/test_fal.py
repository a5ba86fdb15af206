"""fal: the queue's addresses, failures that are COMPLETED, blackened pictures and megapixels."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.image_providers.generation import Cost, CostKind
from invokeai.app.services.image_providers.picture_requests import sized
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderBadRequest,
    ProviderRefused,
)
from invokeai.app.services.image_providers.receipts import CallKey
from tests.app.services.image_providers.cloud_bench import CloudBench, cloud_bench, hole, scene
from tests.app.services.image_providers.provider_cases.fal import CASE
from tests.simulators.fal import FalSimulator
from tests.simulators.simulator import Fault


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


@pytest.mark.parametrize(
    ("mode", "model_id", "references", "address", "files"),
    [
        ("img2img", "fal-ai/flux/dev", 0, "fal-ai/flux/dev/image-to-image", ["image_url"]),
        ("inpaint", "fal-ai/flux/dev", 0, "fal-ai/flux-lora/inpainting", ["image_url", "mask_url"]),
        ("inpaint", "fal-ai/z-image/turbo", 0, "fal-ai/z-image/turbo/inpaint", ["image_url", "mask_image_url"]),
        ("txt2img", "fal-ai/flux-2", 2, "fal-ai/flux-2/edit", ["image_urls.0", "image_urls.1"]),
        ("img2img", "fal-ai/flux-2", 1, "fal-ai/flux-2/edit", ["image_urls.0", "image_urls.1"]),
        ("txt2img", "fal-ai/flux-pro/kontext", 0, "fal-ai/flux-pro/kontext/text-to-image", []),
        ("txt2img", "fal-ai/flux-pro/kontext", 1, "fal-ai/flux-pro/kontext", ["image_url"]),
        (
            "img2img",
            "fal-ai/flux-pro/kontext/max",
            2,
            "fal-ai/flux-pro/kontext/max/multi",
            [f"image_urls.{n}" for n in range(3)],
        ),
    ],
)
async def test_each_mode_has_its_address(
    bench: CloudBench, mode: Any, model_id: str, references: int, address: str, files: list[str]
) -> None:
    request = bench.request(mode, model_id, reference_images=(scene(300, 200),) * references)
    [estimate] = bench.manager.estimate(request)
    result = await bench.generate(request)
    [job] = bench.simulator.ledger
    assert job.request["address"] == address and job.request["files"] == files
    assert estimate == result.cost == Cost(str(job.amount), kind=CostKind.ESTIMATED)
    assert result.model_id == model_id


async def test_the_mask_is_white_where_something_new_goes_and_as_large_as_the_picture(bench: CloudBench) -> None:
    request = bench.request("inpaint", "fal-ai/flux-pro/v1/fill", width=512, height=384, init_image=scene(300, 300))
    await bench.generate(request)
    picture, mask = service_of(bench).files["image_url"], service_of(bench).files["mask_url"].convert("L")
    assert picture.size == mask.size == (512, 384)
    assert hole(512, 384).getpixel((170, 128)) == 0, "ours is black there"
    assert (mask.getpixel((170, 128)), mask.getpixel((2, 2))) == (255, 0)


async def test_what_fal_would_decide_is_said(bench: CloudBench) -> None:
    for number, (model_id, options) in enumerate(
        [
            ("fal-ai/z-image/turbo", {}),
            ("fal-ai/flux-2", {"enable_safety_checker": False, "acceleration": "high"}),
            ("fal-ai/flux-pro/kontext", {}),
            ("fal-ai/flux-pro/kontext", {"safety_tolerance": 5}),
        ]
    ):
        await bench.generate(bench.request("txt2img", model_id, options=options), CallKey("session", str(number)))
    z_image, flux_2, kontext, tolerant = [job.request for job in bench.simulator.ledger]
    assert (z_image["enable_safety_checker"], z_image["acceleration"]) == (True, "none")
    assert z_image["enable_prompt_expansion"] is False
    assert (flux_2["enable_safety_checker"], flux_2["acceleration"]) == (False, "high")
    assert (kontext["safety_tolerance"], kontext["enhance_prompt"]) == ("2", False)
    assert tolerant["safety_tolerance"] == "5"


async def test_a_strength_is_sent_where_there_is_one(bench: CloudBench) -> None:
    for number, strength in enumerate((None, 0.3)):
        request = bench.request("img2img", "fal-ai/flux/dev", strength=strength, steps=30)
        await bench.generate(request, CallKey("session", str(number)))
    assert [job.request["strength"] for job in bench.simulator.ledger] == [0.8, 0.3]


@pytest.mark.parametrize(
    ("mode", "model_id", "changes", "words"),
    [
        ("txt2img", "fal-ai/flux/dev", {"strength": 0.5}, "no strength"),
        ("img2img", "fal-ai/flux/dev", {"strength": 0.0}, "from 0.01"),
        ("img2img", "fal-ai/flux/dev", {"steps": 5}, "from 10 to 50"),
        ("inpaint", "fal-ai/flux-pro/v1/fill", {"steps": 20}, "no steps"),
        ("txt2img", "fal-ai/flux-pro/kontext", {"width": 1000, "height": 900}, "aspect ratios"),
        ("txt2img", "fal-ai/flux-pro/kontext", {"options": {"enable_safety_checker": False}}, "no enable_safety"),
        ("txt2img", "fal-ai/flux-pro/kontext", {"options": {"safety_tolerance": 7}}, "one of 1, 2"),
        ("txt2img", "fal-ai/flux/dev", {"options": {"safety_tolerance": 3}}, "no safety_tolerance"),
        ("inpaint", "fal-ai/flux/dev", {"options": {"acceleration": "high"}}, "no acceleration"),
        ("txt2img", "fal-ai/flux-2", {"width": 256}, "at least 512"),
        ("img2img", "fal-ai/flux-2", {"reference_images": (scene(64, 64),) * 4}, "at most 4"),
    ],
)
async def test_what_an_address_does_not_take_is_said_and_not_sent(
    bench: CloudBench, mode: Any, model_id: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request(mode, model_id, **changes))
    assert not bench.simulator.seen


async def test_an_upscaler_is_told_its_scale_and_pays_the_megapixels_made(bench: CloudBench) -> None:
    request = bench.request("upscale", "fal-ai/clarity-upscaler", prompt="a fox", strength=0.2, seed=2**31 + 5)
    request = sized(bench.manager, replace(request, scale=3.5))
    [estimate] = bench.manager.estimate(request)
    result = await bench.generate(request)
    asked = bench.simulator.ledger[0].request
    assert (asked["upscale_factor"], asked["creativity"], asked["seed"], asked["prompt"]) == (3.5, 0.2, 5, "a fox")
    assert estimate == result.cost == Cost("0.12", kind=CostKind.ESTIMATED)  # 1792×1792
    assert bench.simulator.ledger[0].amount == Decimal("0.12") and result.images[0].seed == 5


async def test_an_upscaler_without_words_uses_its_own(bench: CloudBench) -> None:
    await bench.generate(bench.request("upscale", "fal-ai/clarity-upscaler"))
    asked = bench.simulator.ledger[0].request
    assert (asked["upscale_factor"], asked["enable_safety_checker"]) == (2, True) and "masterpiece" in asked["prompt"]


async def test_a_background_is_removed_at_the_price_of_a_picture(bench: CloudBench) -> None:
    picture = scene(1500, 1400).convert("RGBA")
    picture.putalpha(200)
    request = bench.request("remove_background", "fal-ai/bria/background/remove", init_image=picture)
    result = await bench.generate(sized(bench.manager, request))
    assert result.cost == Cost("0.018", kind=CostKind.ESTIMATED) and bench.simulator.ledger[0].amount == Decimal(
        "0.018"
    )
    assert service_of(bench).files["image_url"].mode == "RGBA"


@pytest.mark.parametrize(
    ("model_id", "changes", "words"),
    [
        ("fal-ai/clarity-upscaler", {"scale": 4.5}, "its scale is from 1 to 4, not 4.5"),
        ("fal-ai/clarity-upscaler", {"init_image": scene(4000, 2200), "scale": 4.0}, "at most 67,108,864 pixels"),
        ("fal-ai/clarity-upscaler", {"options": {"acceleration": "high"}}, "it has no acceleration"),
        ("fal-ai/bria/background/remove", {"options": {"enable_safety_checker": False}}, "no enable_safety_checker"),
        ("fal-ai/bria/background/remove", {"seed": 3}, "it takes no seed"),
    ],
)
async def test_what_a_worker_cannot_do_is_refused_before_anything_is_sent(
    bench: CloudBench, model_id: str, changes: dict[str, Any], words: str
) -> None:
    mode = "upscale" if "clarity" in model_id else "remove_background"
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(sized(bench.manager, bench.request(mode, model_id, **changes)))  # type: ignore[arg-type]
    assert not bench.simulator.seen


async def test_an_empty_purse_when_it_is_asked_for_does_not_pay_again(bench: CloudBench) -> None:
    bench.simulator.free_faults = [Fault("trouble", "no money")]
    with pytest.raises(PaidPictureLate):
        await bench.generate()
    await bench.generate()
    assert len(bench.simulator.ledger) == bench.simulator.paid_requests == 1
