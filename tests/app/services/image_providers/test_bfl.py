"""Black Forest Labs: jobs, their addresses and states, the bodies of each family, masks, credits and limits."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invokeai.app.services.image_providers.generation import Cost, CostKind
from invokeai.app.services.image_providers.http_answer import HttpAnswer
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderBadRequest,
    ProviderRateLimited,
    ProviderRefused,
)
from invokeai.app.services.image_providers.providers.bfl import BflImageService
from tests.app.services.image_providers.cloud_bench import KEY, CloudBench, cloud_bench, edges, hole, scene
from tests.app.services.image_providers.provider_cases.bfl import CASE
from tests.simulators.bfl import BflSimulator
from tests.simulators.simulator import Fault


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


def service_of(bench: CloudBench) -> BflSimulator:
    assert isinstance(bench.simulator, BflSimulator)
    return bench.simulator


async def test_a_state_that_nobody_knows_means_still_running(bench: CloudBench) -> None:
    service_of(bench).walk = ["Pending", "Dreaming", "Preview", "Ready"]
    result = await bench.generate()
    asked = [seen.path for seen in bench.simulator.seen]
    assert asked.count("/v1/get_result") == 4 and result.request_id == "job-0"


async def test_a_job_that_nobody_can_look_for_is_not_waited_for(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.provider, "pause_seconds", 1e6)  # the test would not end
    bench.simulator.faults = [Fault("cut after")]
    with pytest.raises(OutcomeUnknown, match="may have been billed"):
        await bench.generate()
    assert bench.simulator.paid_requests == 1 and len(bench.simulator.seen) == 1


@pytest.mark.parametrize("state", ["Error", "Failed", "Task not found"])
async def test_a_failed_job_is_not_made_again(bench: CloudBench, state: str) -> None:
    service_of(bench).walk = ["Pending", state]
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match="may have been billed"):
            await bench.generate()
    assert bench.simulator.paid_requests == 1


@pytest.mark.parametrize(("trouble", "stage"), [("refused prompt", "prompt"), ("refused output", "output")])
async def test_what_was_moderated_is_told_apart(bench: CloudBench, trouble: Any, stage: str) -> None:
    bench.simulator.faults = [Fault("trouble", trouble)]
    with pytest.raises(ProviderRefused, match="Safety Filter") as refusal:
        await bench.generate()
    assert refusal.value.stage == stage


@pytest.mark.parametrize(
    "address",
    [
        "https://api.bfl.ai.example.org/x",
        "http://api.bfl.ai/x",
        "https://evil.example.org/x",
        "https://bfl.ai@evil.org/",
    ],
)
async def test_an_address_elsewhere_is_not_asked(bench: CloudBench, address: str) -> None:
    service_of(bench).polling_address = address
    with pytest.raises(OutcomeUnknown, match="not its own"):
        await bench.generate()
    assert len(bench.simulator.seen) == 1 and (await bench.receipt_row())["state"] == "unknown"


def test_an_address_on_another_of_their_hosts_is_asked_as_given() -> None:
    body = b'{"id": "a", "polling_url": "https://api.us2.bfl.ai/v1/get_result?id=a", "cost": 1.4}'
    provider = BflImageService()
    job = provider.job_of(HttpAnswer(200, {}, body))
    assert provider.question_for(job).path == "https://api.us2.bfl.ai/v1/get_result?id=a"


async def test_a_job_is_found_again_after_a_restart_with_its_cost(bench: CloudBench) -> None:
    bench.simulator.free_faults = [Fault("trouble", "server error")] * 4
    with pytest.raises(PaidPictureLate):
        await bench.generate()
    bench.restart()
    bench.simulator.free_faults = []
    result = await bench.generate()
    assert result.cost == Cost("0.009", kind=CostKind.REPORTED) and bench.simulator.paid_requests == 1


async def test_a_key_that_is_refused_when_asking_does_not_pay_again(bench: CloudBench) -> None:
    simulator = bench.simulator
    true_key, original = simulator.key, service_of(bench)._taken

    def change_the_key(*values: Any) -> Any:
        simulator.key = "another"
        return original(*values)

    service_of(bench)._taken = change_the_key  # type: ignore[method-assign, assignment]
    with pytest.raises(PaidPictureLate, match="key"):
        await bench.generate()
    simulator.key = true_key
    receipt = await bench.receipts.get(KEY.receipt_id)
    assert receipt is not None and receipt.provider_ref and receipt.state == "sent"
    await bench.generate()
    assert simulator.paid_requests == 1


async def test_the_mask_is_white_where_something_new_goes(bench: CloudBench) -> None:
    request = bench.request("inpaint", "flux-pro-1.0-fill", width=512, height=384, steps=20, guidance=30.0)
    await bench.generate(request)
    mask = service_of(bench).files["mask"].convert("L")
    assert mask.size == service_of(bench).files["image"].size == (512, 384)
    assert hole(512, 384).getpixel((170, 128)) == 0, "ours is black there"
    assert mask.getpixel((170, 128)) == 255 and mask.getpixel((2, 2)) == 0


async def test_an_empty_edge_is_grown_and_the_rest_is_sent_as_it_is(bench: CloudBench) -> None:
    mask = edges(512, 384)
    request = bench.request("inpaint", "flux-pro-1.0-expand", width=512, height=384, seed=5, mask_image=mask)
    await bench.generate(request)
    asked = bench.simulator.ledger[0].request
    assert [asked[side] for side in ("left", "top", "right", "bottom")] == [128, 0, 0, 16]
    assert service_of(bench).files["image"].size == (384, 368) and asked["seed"] == 5
    assert asked["output_format"] == "png" and asked["prompt_upsampling"] is False


async def test_only_edges_can_be_grown(bench: CloudBench) -> None:
    narrow = Image.new("L", (4096, 64), 0)
    narrow.paste(255, (2049, 0, 4096, 64))
    nothing = Image.new("L", (64, 64), 0)
    for mask, words in ((hole(512, 384), "one rectangle"), (nothing, "one rectangle"), (narrow, "at most 2048")):
        width, height = mask.size
        with pytest.raises(ProviderBadRequest, match=words):
            await bench.generate(
                bench.request("inpaint", "flux-pro-1.0-expand", width=width, height=height, mask_image=mask)
            )
    assert not bench.simulator.seen


async def test_moderation_is_as_tolerant_as_their_default_unless_asked(bench: CloudBench) -> None:
    await bench.generate(bench.request("txt2img", "flux-2-pro"))
    asked = bench.request("txt2img", "flux-2-pro", options={"safety_tolerance": 0})
    await bench.generate(asked, type(KEY)("session", "strict"))
    assert [job.request["safety_tolerance"] for job in bench.simulator.ledger] == [2, 0]


async def test_the_word_of_a_resolution_wins(bench: CloudBench) -> None:
    bench.simulator.picture_bytes = bench.simulator.picture(16, 16, "small is quicker")
    request = bench.request("txt2img", "flux-3-image", image_size="2k")
    [estimate] = bench.manager.estimate(request)
    result = await bench.generate(request)
    assert bench.simulator.ledger[0].request["resolution"] == "2k"
    assert estimate is not None and estimate.amount == "0.100" and result.cost.amount == "0.1"


async def test_ultra_is_told_a_ratio_and_may_be_raw(bench: CloudBench) -> None:
    request = bench.request(
        "txt2img", "flux-pro-1.1-ultra", width=2736, height=1536, options={"raw": True},
        reference_images=(scene(64, 64),),
    )  # fmt: skip
    await bench.generate(request)
    asked = bench.simulator.ledger[0].request
    assert (asked["aspect_ratio"], asked["raw"], asked["files"]) == ("16:9", True, ["image_prompt"])


async def test_each_family_has_its_own_words(bench: CloudBench) -> None:
    pictures = (scene(300, 300), scene(320, 256))
    bodies = []
    for index, (model_id, changes) in enumerate(
        [
            ("flux-3-image", {"width": 2688, "height": 1536, "reference_images": pictures}),
            ("flux-2-flex", {"seed": 2**32 + 7, "steps": 9, "guidance": 3.0, "reference_images": pictures}),
            ("flux-kontext-pro", {"width": 1024, "height": 1024, "reference_images": pictures[:1]}),
        ]
    ):
        key = type(KEY)("session", f"node {index}")
        await bench.generate(bench.request("txt2img", model_id, **changes), key)
        bodies.append(bench.simulator.ledger[-1].request)
    flux_3, flex, kontext = bodies
    assert (flux_3["aspect_ratio"], flux_3["resolution"], flux_3["grounding"]) == ("16:9", "2k", False)
    assert flux_3["files"] == ["images.0", "images.1"]
    assert (flex["seed"], flex["steps"], flex["guidance"], flex["prompt_upsampling"]) == (7, 9, 3.0, False)
    assert flex["files"] == ["input_image", "input_image_2"] and flex["output_format"] == "png"
    assert kontext["aspect_ratio"] == "1:1" and kontext["files"] == ["input_image"]


@pytest.mark.parametrize(
    ("model_id", "changes", "words"),
    [
        ("flux-3-image", {"seed": 1}, "no seed"),
        ("flux-3-image", {"width": 1000, "height": 900}, "aspect ratios"),
        ("flux-3-image", {"width": 1200, "height": 1200}, "sizes"),
        ("flux-3-image", {"options": {"safety_tolerance": 5}}, "from 0 to 4"),
        ("flux-3-image", {"reference_images": (scene(100, 100),)}, "256"),
        ("flux-3-image-klein", {"options": {"grounding": True}}, "no grounding"),
        ("flux-2-pro", {"width": 1000}, "multiples of 16"),
        ("flux-2-pro", {"width": 4096, "height": 2048}, "at most"),
        ("flux-2-pro", {"negative_prompt": "fog"}, "negative prompt"),
        ("flux-2-flex", {"steps": 51}, "steps"),
        ("flux-3-image", {"image_size": "8k"}, "768sq"),
        ("flux-pro-1.1", {"width": 1040}, "multiples of 32"),
        ("flux-pro-1.1-ultra", {"width": 1024, "height": 1024}, "square of 2048"),
        ("flux-pro-1.1", {"options": {"raw": True}}, "no raw"),
        ("flux-2-klein-4b", {"reference_images": (scene(64, 64),) * 5}, "at most 4"),
    ],
)
async def test_what_a_model_cannot_do_is_said_and_not_sent(
    bench: CloudBench, model_id: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request("txt2img", model_id, **changes))
    assert not bench.simulator.seen


@pytest.mark.parametrize(
    ("model_id", "changes"),
    [
        ("flux-3-image", {"width": 1536, "height": 1536}),
        ("flux-3-image", {"width": 4096, "height": 4096}),
        ("flux-3-image-klein", {"width": 2048, "height": 2048}),
        ("flux-2-pro", {"width": 2048, "height": 2048, "reference_images": (scene(1200, 1200),)}),
        ("flux-2-klein-9b", {"width": 1456, "height": 1456}),
    ],
)
async def test_an_estimate_is_not_below_the_bill(bench: CloudBench, model_id: str, changes: dict[str, Any]) -> None:
    bench.simulator.picture_bytes = bench.simulator.picture(16, 16, "small is quicker")
    request = bench.request("txt2img", model_id, **changes)
    [estimate] = bench.manager.estimate(request)
    result = await bench.generate(request)
    assert estimate is not None and Decimal(estimate.amount or 0) >= Decimal(result.cost.amount or 0) > 0


def test_a_cost_that_is_not_told_is_unknown_and_never_zero() -> None:
    from invokeai.app.services.image_providers.providers.bfl import _cost

    assert [_cost(value) for value in (None, "x", 0, -1)] == [Cost()] * 4
    assert _cost(4.5) == Cost("0.045", kind=CostKind.REPORTED)


def test_the_wait_is_read_from_the_body() -> None:
    body = b'{"error": "rate_limit_exceeded", "message": "Too many", "retry_after": 17}'
    error = BflImageService().failure_of(HttpAnswer(429, {}, body))
    assert isinstance(error, ProviderRateLimited) and error.retry_after == 17
    wrong = BflImageService().failure_of(
        HttpAnswer(422, {}, b'{"detail": [{"loc": ["body", "width"], "msg": "too big", "type": "value_error"}]}')
    )
    assert isinstance(wrong, ProviderBadRequest) and "body.width: too big" in str(wrong)
