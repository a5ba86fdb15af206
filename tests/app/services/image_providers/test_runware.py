"""Runware's own pitfalls: one task id for one receipt, each model's sizes and fields, partly failed tasks, prices."""

import base64
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from invokeai.app.services.image_providers.generation import Cost, CostKind, ImageRequest
from invokeai.app.services.image_providers.picture_requests import sized
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderBadRequest,
    ProviderRefused,
)
from invokeai.app.services.image_providers.providers.runware import task_uuid
from invokeai.app.services.image_providers.receipts import CallKey
from tests.app.services.image_providers.cloud_bench import KEY, CloudBench, cloud_bench, scene
from tests.app.services.image_providers.provider_cases.runware import CASE
from tests.simulators.runware import RunwareSimulator
from tests.simulators.runware_bodies import MODELS
from tests.simulators.simulator import Fault, Rejected

OTHER = CallKey("session", "another node")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


@pytest.fixture
def runware(bench: CloudBench) -> RunwareSimulator:
    assert isinstance(bench.simulator, RunwareSimulator)
    return bench.simulator


async def test_the_tasks_id_is_the_receipts_and_is_written_before_it_is_sent(
    bench: CloudBench, runware: RunwareSimulator
) -> None:
    runware.faults = [Fault("cut after")]
    result = await bench.generate()
    assert result.request_id == runware.ledger[0].job_id == task_uuid(KEY.receipt_id)
    assert (await bench.receipt_row())["provider_ref"] == f"{result.request_id} 1" and runware.paid_requests == 1


async def test_a_request_that_never_arrived_is_sent_again_under_the_same_id(
    bench: CloudBench, runware: RunwareSimulator
) -> None:
    runware.faults = [Fault("cut before"), Fault("cut before")]
    await bench.generate()
    assert runware.paid_requests == 3 and len(runware.ledger) == 1


async def test_an_answer_that_makes_no_sense_is_followed_by_a_question(
    bench: CloudBench, runware: RunwareSimulator
) -> None:
    runware.faults = [Fault("garbage")]
    assert len((await bench.generate()).images) == 1
    assert len(runware.ledger) == 1


async def test_a_task_that_is_there_already_is_asked_for(bench: CloudBench, runware: RunwareSimulator) -> None:
    await bench.generate()
    await bench.database.execute("UPDATE generation_receipts SET state = 'prepared', raw_answer = NULL")
    bench.restart()
    result = await bench.generate()
    assert len(result.images) == 1 and len(runware.ledger) == 1 and runware.paid_requests == 2


async def test_the_mask_is_white_where_it_repaints(bench: CloudBench, runware: RunwareSimulator) -> None:
    await bench.generate(bench.request("inpaint", "runware:101@1"))
    sent = runware.ledger[0].request["inputs"]["maskImage"]
    mask = Image.open(io.BytesIO(base64.b64decode(sent.partition(",")[2])))
    assert mask.getpixel((400, 400)) == 255 and mask.getpixel((10, 10)) == 0
    assert runware.ledger[0].request["strength"] == 0.8


async def test_reference_pictures_go_where_the_model_has_them(bench: CloudBench, runware: RunwareSimulator) -> None:
    await bench.generate(bench.request("txt2img", "runware:400@4", reference_images=(scene(256, 256),) * 3))
    asked = runware.ledger[0].request
    assert len(asked["inputs"]["referenceImages"]) == 3 and asked["acceleration"] == "none"
    with pytest.raises(ProviderBadRequest, match="reference images"):
        await bench.generate(bench.request(reference_images=(scene(64, 64),)))


async def test_pictures_that_failed_are_told_beside_those_that_were_made(
    bench: CloudBench, runware: RunwareSimulator
) -> None:
    runware.failing = [{"code": "inferenceError", "message": "The model stumbled."}]
    result = await bench.generate(bench.request(num_images=3))
    assert len(result.images) == 2 and result.note == "1 of the pictures failed: The model stumbled."
    assert Decimal(result.cost.amount or 0) == Decimal("0.010")


async def test_pictures_that_come_one_by_one_are_all_waited_for(bench: CloudBench, runware: RunwareSimulator) -> None:
    runware.come_singly = True
    result = await bench.generate(bench.request(num_images=3))
    assert len(result.images) == 3 and Decimal(result.cost.amount or 0) == Decimal("0.015")


async def test_a_key_that_is_withdrawn_meanwhile_sends_nothing_again(
    bench: CloudBench, runware: RunwareSimulator
) -> None:
    runware.refuse_questions = True
    with pytest.raises(PaidPictureLate):
        await bench.generate()
    assert (await bench.receipt_row())["state"] == "sent" and runware.paid_requests == 1
    runware.refuse_questions = False
    bench.restart()
    assert len((await bench.generate()).images) == 1 and len(runware.ledger) == 1


@pytest.mark.parametrize(
    ("code", "error"), [("inferenceError", OutcomeUnknown), ("nsfwContentDetected", ProviderRefused)]
)
async def test_a_task_that_fails_as_a_whole_is_not_called_free(
    bench: CloudBench, runware: RunwareSimulator, code: str, error: type[Exception]
) -> None:
    runware.failing = [{"code": code, "message": "No picture came of it."}]
    for _ in range(2):
        with pytest.raises(error):
            await bench.generate()
    assert runware.paid_requests == 1


async def test_a_picture_that_cannot_be_fetched_now_comes_later(bench: CloudBench, runware: RunwareSimulator) -> None:
    runware.free_faults = [Fault("slow")] * 2 + [Fault("trouble", "server error")] * 4
    with pytest.raises(PaidPictureLate):
        await bench.generate()
    bench.restart()
    assert len((await bench.generate()).images) == 1 and len(runware.ledger) == 1


@pytest.mark.parametrize(
    ("model_id", "size", "nearest"),
    [
        ("runware:101@1", (1000, 810), "take 1024×832"),
        ("runware:400@4", (1000, 808), "take 992×808|take 1008×800|take 992×800"),
        ("google:4@3", (1500, 1000), "take 1264×848"),
        ("google:4@2", (4000, 4000), "take 4096×4096"),
        ("openai:gpt-image@2", (3840, 512), "take 1536×512"),
        ("bytedance:seedream@4.5", (1024, 1024), "3,686,400 to 16,777,216 pixels.*take 1921×1921"),
        ("bytedance:seedream@5.0-pro", (4096, 2048), "take 2896×1448"),
    ],
)
async def test_each_models_own_sizes_are_kept(
    bench: CloudBench, runware: RunwareSimulator, model_id: str, size: tuple[int, int], nearest: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=nearest):
        await bench.generate(bench.request("txt2img", model_id, width=size[0], height=size[1]))
    assert not runware.seen


@pytest.mark.parametrize(
    ("model_id", "size"),
    [("runware:400@1", (528, 1040)), ("google:4@3", (512, 512)), ("google:4@2", (2752, 1536)),
     ("openai:gpt-image@2.5-flare", (3840, 2160)), ("bytedance:seedream@4.5", (2501, 1999))],
)  # fmt: skip
async def test_sizes_that_are_no_multiples_of_64_are_made(
    bench: CloudBench, runware: RunwareSimulator, model_id: str, size: tuple[int, int]
) -> None:
    await bench.generate(bench.request("txt2img", model_id, width=size[0], height=size[1]))
    assert (runware.ledger[0].request["width"], runware.ledger[0].request["height"]) == size


async def test_an_initial_picture_is_the_first_reference_of_a_model_that_edits(
    bench: CloudBench, runware: RunwareSimulator
) -> None:
    request = bench.request("img2img", "runware:400@1", width=512, height=768, reference_images=(scene(64, 64),))
    await bench.generate(request)
    sent = [picture_of(text).size for text in runware.ledger[0].request["inputs"]["referenceImages"]]
    assert sent == [(512, 768), (64, 64)] and "strength" not in runware.ledger[0].request
    with pytest.raises(ProviderBadRequest, match="at most 4 pictures with the initial one, not 5"):
        await bench.generate(replace(request, reference_images=(scene(64, 64),) * 4), OTHER)


async def test_what_runware_would_decide_is_said_and_options_change_it(
    bench: CloudBench, runware: RunwareSimulator
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("runware:400@2", {}), ("runware:400@2", {"acceleration": "high"}), ("openai:gpt-image@2", {}),
        ("openai:gpt-image@2", {"quality": "high"}), ("bfl:5@1", {}), ("bfl:5@1", {"safety_tolerance": 4}),
    ]  # fmt: skip
    for number, (model_id, options) in enumerate(asked):
        request = bench.request("txt2img", model_id, options=options)
        await bench.generate(request, CallKey("session", str(number)))
    sent = [(job.request.get("acceleration"), job.request.get("settings")) for job in runware.ledger]
    assert sent == [
        ("none", None), ("high", None), (None, {"quality": "medium"}), (None, {"quality": "high"}), (None, None),
        (None, {"safetyTolerance": 4}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "model_id", "changes", "words"),
    [
        ("txt2img", "runware:101@1", {"options": {"quality": "high"}}, "it has no quality"),
        ("txt2img", "openai:gpt-image@2", {"options": {"quality": "max"}}, "quality is one of medium, low"),
        ("txt2img", "openai:gpt-image@2", {"seed": 5}, "no seed"),
        ("txt2img", "bfl:6@1", {"guidance": 7.0}, "guidance is 1.5 to 5"),
        ("txt2img", "bfl:5@1", {"options": {"safety_tolerance": 6}}, "one of 0, 1, 2, 3, 4, 5"),
        ("txt2img", "google:4@3", {"negative_prompt": "blur"}, "no negative prompt"),
        ("img2img", "runware:101@1", {"options": {"outpaint": True}}, "it has no outpaint here"),
        ("inpaint", "runware:101@1", {"options": {"outpaint": True}}, "one rectangle"),
        ("inpaint", "runware:102@1", {"strength": 0.5}, "no strength"),
        ("txt2img", "runware:106@1", {"reference_images": ()}, "needs an input image"),
        ("txt2img", "runware:102@1", {}, "its modes are inpaint"),
        ("upscale", "runware:500@1", {"width": 1, "height": 1}, "it makes 1024×1024 of a picture of 512×512"),
    ],
)
async def test_what_a_model_cannot_do_is_said_and_not_sent(
    bench: CloudBench, runware: RunwareSimulator, mode: Any, model_id: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(bench.request(mode, model_id, **changes))
    assert not runware.seen


async def test_new_edges_are_told_by_their_widths(bench: CloudBench, runware: RunwareSimulator) -> None:
    mask = Image.new("L", (1024, 1024), 0)
    mask.paste(255, (256, 0, 1024, 960))
    request = bench.request("inpaint", "runware:101@1", mask_image=mask, options={"outpaint": True})
    await bench.generate(request)
    asked = runware.ledger[0].request
    assert asked["outpaint"] == {"bottom": 64, "left": 256} and (asked["width"], asked["height"]) == (1024, 1024)
    assert picture_of(asked["inputs"]["seedImage"]).size == (768, 960) and "maskImage" not in asked["inputs"]
    assert "strength" not in asked
    mask.paste(0, (0, 950, 1024, 960))
    with pytest.raises(ProviderBadRequest, match="multiples of 64 pixels: bottom 64, not 74"):
        await bench.generate(request, OTHER)


async def test_a_seed_is_folded_where_the_model_has_fewer(bench: CloudBench, runware: RunwareSimulator) -> None:
    await bench.generate(bench.request("txt2img", "bytedance:seedream@4.5", seed=2**31 + 5))
    assert runware.ledger[0].request["seed"] == 5


async def test_a_model_that_is_not_listed_is_sent_what_was_asked_for(
    bench: CloudBench, runware: RunwareSimulator
) -> None:
    request = bench.request("txt2img", "acme:next@1")
    [estimate] = bench.manager.estimate(request)
    result = await bench.generate(request)
    assert result.cost == Cost("0.004", kind=CostKind.REPORTED) and estimate == Cost("0.25", kind=CostKind.ESTIMATED)
    optional = {"seed", "steps", "CFGScale", "negativePrompt", "inputs", "strength", "acceleration", "settings"}
    assert not optional & set(runware.ledger[0].request)
    with pytest.raises(ProviderBadRequest, match="Extra inputs"):
        await bench.generate(bench.request("txt2img", "acme:next@1", steps=20), OTHER)
    assert CASE.provider().custom_model("what is this") is None


async def test_an_upscaled_picture_is_asked_for_and_paid_like_any_other(
    bench: CloudBench, runware: RunwareSimulator
) -> None:
    runware.faults = [Fault("cut after")]
    request = sized(bench.manager, replace(bench.request("upscale", "runware:504@1"), scale=4.0))
    result = await bench.generate(request)
    asked = runware.ledger[0].request
    assert (asked["taskType"], asked["upscaleFactor"]) == ("upscale", 4) and "numberResults" not in asked
    assert runware.paid_requests == 1 and Decimal(result.cost.amount or 0) == runware.ledger[0].amount


@pytest.mark.parametrize(
    ("mode", "model_id", "size", "words"),
    [
        ("upscale", "runware:500@1", (1200, 1000), "at most 1,153,433 pixels"),
        ("upscale", "runware:504@1", (2100, 100), "at most 4096 pixels, not 4200×200"),
        ("remove_background", "runware:109@1", (2049, 100), "1 to 2048 pixels"),
    ],
)
async def test_pictures_that_would_be_shrunk_are_refused(
    bench: CloudBench, runware: RunwareSimulator, mode: Any, model_id: str, size: tuple[int, int], words: str
) -> None:
    request = replace(bench.request(mode, model_id), init_image=scene(*size))
    with pytest.raises(ProviderBadRequest, match=words):
        await bench.generate(sized(bench.manager, request))
    assert not runware.seen


async def test_a_picture_without_its_background_keeps_its_transparency(
    bench: CloudBench, runware: RunwareSimulator
) -> None:
    given = scene(300, 200).convert("RGBA")
    given.putalpha(128)
    request = replace(bench.request("remove_background", "runware:112@1"), init_image=given)
    result = await bench.generate(sized(bench.manager, request))
    asked, made = runware.ledger[0].request, result.images[0].image
    assert picture_of(asked["inputs"]["image"]).mode == "RGBA" and asked["taskType"] == "removeBackground"
    assert isinstance(made, bytes) and Image.open(io.BytesIO(made)).mode == "RGBA"


def test_no_estimate_is_below_what_the_simulated_service_bills() -> None:
    for model in CASE.models():
        width, height = CASE.sizes.get(model.model_id, (1024, 1024))
        estimate = CASE.provider().estimate(ImageRequest(prompt="a fox", width=width, height=height), model)
        billed = Decimal(MODELS[model.model_id][1]) * width * height / 1024**2
        assert estimate is not None and Decimal(estimate.amount or 0) >= billed, model.model_id


def picture_of(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2])))


def test_estimates_grow_with_size_and_steps() -> None:
    provider = CASE.provider()
    models = {model.model_id: model for model in provider.info.models}

    def estimate(model_id: str, **changes: int) -> str | None:
        cost = provider.estimate(ImageRequest(prompt="a fox", **changes), models[model_id])  # type: ignore[arg-type]
        return cost.amount if cost else None

    assert estimate("bfl:flux@3-image-klein") == "0.006"
    assert estimate("bfl:flux@3-image-klein", width=4096, height=4096, num_images=2) == "0.202"
    assert estimate("runware:101@1", width=2048, height=2048, steps=56) == "0.0304"
    assert estimate("runware:108@1", steps=50) == "0.05"
    assert estimate("bfl:5@1", width=2048, height=2048) == "0.075"
    assert estimate("google:4@3", width=4096, height=4096) == "0.155"
    assert estimate("openai:gpt-image@2", width=3840, height=2160) == "0.419238"


@pytest.mark.parametrize("code", ["serviceUnavailable", "unknownError"])
async def test_a_fault_of_the_service_is_asked_about_whatever_its_status(
    bench: CloudBench, runware: RunwareSimulator, code: str
) -> None:
    take = runware._take

    def faulty(asked: dict[str, Any]) -> web.Response:
        take(asked)
        raise Rejected(400, {"errors": [{"code": code, "message": "It broke."}]})

    runware._take = faulty  # type: ignore[method-assign]
    assert len((await bench.generate()).images) == len(runware.ledger) == runware.paid_requests == 1
