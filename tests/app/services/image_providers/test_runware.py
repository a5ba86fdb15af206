"""Runware's own pitfalls: one task id for one receipt, masks, partly failed tasks, prices that grow with the size."""

import base64
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderBadRequest,
    ProviderRefused,
)
from invokeai.app.services.image_providers.providers.runware import task_uuid
from tests.app.services.image_providers.cloud_bench import KEY, CloudBench, cloud_bench, scene
from tests.app.services.image_providers.provider_cases.runware import CASE
from tests.simulators.runware import RunwareSimulator
from tests.simulators.simulator import Fault


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


async def test_a_wrong_size_is_refused_with_the_nearest_one(bench: CloudBench, runware: RunwareSimulator) -> None:
    with pytest.raises(ProviderBadRequest, match="take 1024×832"):
        await bench.generate(bench.request(width=1000, height=810))
    assert not runware.seen


def test_estimates_grow_with_size_and_steps() -> None:
    provider = CASE.provider()
    models = {model.model_id: model for model in provider.info.models}

    def estimate(model_id: str, **changes: int) -> str | None:
        cost = provider.estimate(ImageRequest(prompt="a fox", **changes), models[model_id])  # type: ignore[arg-type]
        return cost.amount if cost else None

    assert estimate("bfl:flux@3-image-klein") == "0.006"
    assert estimate("bfl:flux@3-image-klein", width=4096, height=4096, num_images=2) == "0.202"
    assert estimate("runware:101@1", width=2048, height=2048, steps=56) == "0.0304"
    assert estimate("runware:100@1") is None
