"""Parasail: nothing is offered that was not named, and a batch is ordered once, whatever happens afterwards."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    PaidPictureLate,
    ProviderBadRequest,
    ProviderRefused,
    ProviderUnavailable,
)
from invokeai.app.services.image_providers.providers.parasail import ParasailImageService
from tests.app.services.image_providers.cloud_bench import KEY, CloudBench, cloud_bench, scene
from tests.app.services.image_providers.provider_cases.parasail import CASE
from tests.simulators.parasail import ParasailSimulator
from tests.simulators.simulator import Fault, draw


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


def service_of(bench: CloudBench) -> ParasailSimulator:
    assert isinstance(bench.simulator, ParasailSimulator)
    return bench.simulator


def edit(bench: CloudBench, number: int = 1) -> ImageRequest:
    return bench.request("img2img", width=64, height=48, num_images=number, init_image=scene(64, 48))


def picture(prompt: str, number: int, pictures: int = 1) -> bytes:
    return draw(64, 48, f"{prompt} batch-0 {number} {pictures}")


def test_nothing_is_offered_that_the_settings_do_not_name() -> None:
    provider = ParasailImageService(lambda: ProviderCredentials("key"))
    assert provider.is_available() and provider.models() == [] and provider.default_model() == ""
    assert provider.base_url() == "https://api.parasail.io/v1"
    assert "no picture model that is known to work" in provider.get_setup_instructions()
    assert "provider_models" in provider.get_setup_instructions()


async def test_a_model_that_is_not_deployed_is_said(bench: CloudBench) -> None:
    with pytest.raises(ProviderBadRequest, match="Nothing makes pictures as my-org/gone"):
        await bench.generate(bench.request(model_id="my-org/gone"))
    assert not bench.simulator.ledger


async def test_edits_are_one_batch_whose_pictures_come_in_order(bench: CloudBench) -> None:
    heard: list[str] = []
    request = replace(edit(bench, 3), on_progress=lambda message, share, image: heard.append(message))
    result = await bench.generate(request)
    assert [hashlib.sha256(made.image).hexdigest() for made in result.images] == [  # type: ignore[arg-type]
        hashlib.sha256(picture(request.prompt, number)).hexdigest() for number in range(3)
    ]
    assert [job.pictures for job in bench.simulator.ledger] == [3]
    assert heard == ["Parasail took the batch; it may take up to 24 hours"]
    assert result.request_id == "batch-0" and result.cost.amount is None
    known = json.loads(str((await bench.receipt_row())["provider_ref"]))
    assert known == {"input_file_id": "file-0", "batch": "batch-0"}
    assert service_of(bench).batches["batch-0"]["metadata"] == {"receipt": KEY.receipt_id}


async def test_reference_pictures_go_along(bench: CloudBench) -> None:
    request = bench.request(width=64, height=48, reference_images=(scene(32, 32), scene(40, 40)))
    result = await bench.generate(request)
    assert result.images[0].image == picture(request.prompt, 0, 2)


async def test_a_batch_that_takes_long_is_asked_for_later_and_ordered_once(
    bench: CloudBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    service_of(bench).walk = ["validating", "in_progress"]
    monkeypatch.setattr(type(bench.provider), "resume_seconds", 0.05)
    route = bench.manager.route(edit(bench).model)
    bench.manager.model_overrides = lambda *_: replace(route.model, timeout_seconds=0.1)
    with pytest.raises(PaidPictureLate):
        await bench.generate(edit(bench))
    assert (await bench.receipt_row())["state"] == "sent"
    bench.restart()
    with pytest.raises(PaidPictureLate):
        await bench.generate(edit(bench))
    service_of(bench).walk[-1] = "completed"
    monkeypatch.undo()
    bench.restart()
    assert (await bench.generate(edit(bench))).images[0].image == picture("a red fox in the snow", 0)
    assert len(bench.simulator.ledger) == bench.simulator.paid_requests == 1


async def test_a_key_that_is_withdrawn_while_a_batch_is_made_orders_no_second_one(bench: CloudBench) -> None:
    key = bench.key

    def withdraw(*_: object) -> None:
        bench.key = "sk-withdrawn"

    with pytest.raises(PaidPictureLate, match="the key was not accepted when it was asked"):
        await bench.generate(replace(edit(bench), on_progress=withdraw))
    assert (await bench.receipt_row())["state"] == "sent"
    bench.key = key
    bench.restart()
    assert (await bench.generate(edit(bench))).images[0].image == picture("a red fox in the snow", 0)
    assert len(bench.simulator.ledger) == bench.simulator.paid_requests == 1


@pytest.mark.parametrize("status", [400, 405, 409, 422])
async def test_an_odd_answer_about_a_batch_closes_nothing(bench: CloudBench, status: int) -> None:
    service_of(bench).odd_status = status
    with pytest.raises(PaidPictureLate, match=f"answered with status {status}"):
        await bench.generate(edit(bench))
    row = await bench.receipt_row()
    assert row["state"] == "sent" and row["error"], "it is looked for"
    bench.restart()
    assert (await bench.generate(edit(bench))).images[0].image == picture("a red fox in the snow", 0)
    assert len(bench.simulator.ledger) == bench.simulator.paid_requests == 1


@pytest.mark.parametrize("kind", ["cut after", "truncate", "error after"])
async def test_an_order_whose_answer_is_lost_is_found_by_its_file(bench: CloudBench, kind: str) -> None:
    bench.simulator.faults = [Fault(kind)]  # type: ignore[arg-type]
    assert (await bench.generate(edit(bench))).images[0].image == picture("a red fox in the snow", 0)
    assert len(bench.simulator.ledger) == bench.simulator.paid_requests == 1


async def test_an_order_that_was_lost_on_its_way_is_said_and_not_repeated(bench: CloudBench) -> None:
    bench.simulator.faults = [Fault("cut before")]
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match="may have been billed"):
            await bench.generate(edit(bench))
        bench.restart()
    assert bench.simulator.paid_requests == 1 and not bench.simulator.ledger


@pytest.mark.parametrize("fault", [Fault("cut before"), Fault("trouble", "server error"), Fault("garbage")])
async def test_lines_that_do_not_arrive_cost_nothing(bench: CloudBench, fault: Fault) -> None:
    bench.simulator.free_faults = [fault]
    with pytest.raises(ProviderUnavailable, match="nothing was ordered"):
        await bench.generate(edit(bench))
    assert (await bench.receipt_row())["state"] == "failed"
    await bench.generate(edit(bench))
    assert len(bench.simulator.ledger) == 1


async def test_asking_too_often_is_waited_for(bench: CloudBench) -> None:
    busy = Fault("trouble", "rate limited", retry_after=0.01)
    bench.simulator.free_faults = [Fault("slow"), busy, busy]
    assert len((await bench.generate(edit(bench))).images) == 1


async def test_pictures_that_are_there_are_kept_when_others_failed(bench: CloudBench) -> None:
    service_of(bench).failing_lines = {1: (500, {"error": {"message": "The worker died."}})}
    result = await bench.generate(edit(bench, 3))
    prompt = "a red fox in the snow"
    assert [made.image for made in result.images] == [picture(prompt, 0), picture(prompt, 2)]
    assert result.note == "1 of the pictures failed: The worker died."


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "content_policy_violation", ProviderRefused),
        (400, "invalid_size", ProviderBadRequest),
        (500, "internal_error", OutcomeUnknown),
    ],
)
async def test_a_batch_without_pictures_says_why(
    bench: CloudBench, status: int, code: str, error: type[Exception]
) -> None:
    service_of(bench).failing_lines = {0: (status, {"error": {"message": "No, because of this.", "code": code}})}
    with pytest.raises(error, match="No, because of this"):
        await bench.generate(edit(bench))


async def test_a_batch_that_is_refused_as_a_whole_did_no_work(bench: CloudBench) -> None:
    service_of(bench).walk = ["validating", "failed"]
    with pytest.raises(ProviderBadRequest, match="The model cannot be loaded"):
        await bench.generate(edit(bench))
    assert (await bench.receipt_row())["state"] == "failed"


@pytest.mark.parametrize("status", ["expired", "cancelled"])
async def test_a_batch_that_ended_without_pictures_may_have_been_billed(bench: CloudBench, status: str) -> None:
    service_of(bench).walk = ["validating", status]
    with pytest.raises(OutcomeUnknown, match=status):
        await bench.generate(edit(bench))


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_exchange_orders_no_second_batch_and_loses_no_picture(tmp_path: Path, late: bool) -> None:
    for place in range(100):
        folder = tmp_path / str(place)
        folder.mkdir()
        async with cloud_bench(CASE, folder) as bench:
            trail = _die_at(bench, place, late)
            try:
                await bench.generate(edit(bench))
                assert len(trail) == place, "every exchange was a place to die at"
                return
            except Died:
                bench.restart()
            try:
                result = await bench.generate(edit(bench))
                assert result.images[0].image == picture("a red fox in the snow", 0)
            except OutcomeUnknown:
                assert trail[-1] == "POST /batches" and not late, "only an order that never left is not found"
            assert len(bench.simulator.ledger) <= 1 and bench.simulator.paid_requests <= 1


def _die_at(bench: CloudBench, place: int, late: bool) -> list[str]:
    """Let the process end at that exchange, before it or after it; the exchanges so far."""
    trail: list[str] = []
    send = bench.provider.send

    async def mortal(call: HttpCall, *given: Any, **named: Any) -> HttpAnswer:
        if len(trail) == place and not late:
            trail.append(f"{call.method} {call.path}")
            raise Died
        answer = await send(call, *given, **named)
        trail.append(f"{call.method} {call.path}")
        if len(trail) == place + 1:
            raise Died
        return answer

    bench.provider.send = mortal  # type: ignore[method-assign]
    return trail
