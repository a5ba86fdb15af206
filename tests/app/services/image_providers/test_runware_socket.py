"""Runware over its WebSocket: answers of many tasks on one connection, and connections that break at any moment."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.image_providers import runware_socket
from invokeai.app.services.image_providers.generation import ImageResult
from invokeai.app.services.image_providers.http_answer import AnswerLost, HttpAnswer, HttpCall, NotSent
from invokeai.app.services.image_providers.provider_errors import (
    OutcomeUnknown,
    ProviderAuthError,
    ProviderBadRequest,
    ProviderQuotaExhausted,
    ProviderRateLimited,
    ProviderRefused,
)
from invokeai.app.services.image_providers.providers.runware import RunwareImageService
from invokeai.app.services.image_providers.receipts import CallKey
from invokeai.app.services.image_providers.runware_socket import RunwareSocket
from tests.app.services.image_providers.cloud_bench import CloudBench, cloud_bench
from tests.app.services.image_providers.provider_cases.runware_socket import CASE
from tests.simulators.runware_socket import RunwareSocketSimulator
from tests.simulators.simulator import Fault

QUESTION = {"taskType": "getResponse", "taskUUID": "5f4c3c0a-6f3e-4b60-9f57-1de0a1c6a0f1"}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CloudBench]:
    async with cloud_bench(CASE, tmp_path) as bench:
        yield bench


@pytest.fixture
def runware(bench: CloudBench) -> RunwareSocketSimulator:
    assert isinstance(bench.simulator, RunwareSocketSimulator)
    return bench.simulator


@pytest.fixture
async def socket() -> AsyncIterator[RunwareSocket]:
    socket = RunwareSocket()
    yield socket
    await socket.aclose()


def address(runware: RunwareSocketSimulator) -> str:
    return f"ws://127.0.0.1:{runware.port}/v1"


def use_socket(bench: CloudBench, socket: RunwareSocket) -> None:
    assert isinstance(bench.provider, RunwareImageService)
    bench.provider._socket = socket


async def many(bench: CloudBench, number: int) -> list[ImageResult]:
    calls = (bench.generate(key=CallKey("session", str(index))) for index in range(number))
    return await asyncio.gather(*calls)


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_many_tasks_share_one_connection_and_each_gets_its_own_answer(
    bench: CloudBench, runware: RunwareSocketSimulator
) -> None:
    runware.faults = [Fault("slow", seconds=seconds) for seconds in (0.08, 0.02, 0.05, 0.0, 0.03, 0.01)]
    results = await many(bench, 6)
    assert runware.connections == 1 and len(runware.ledger) == runware.paid_requests == 6
    for result in results:
        job = next(job for job in runware.ledger if job.job_id == result.request_id)
        assert result.images[0].image == runware.pictures[f"{job.job_id}-0.png"]
        assert Decimal(result.cost.amount or 0) == job.amount
    assert not any(seen.method == "POST" for seen in runware.seen), "something went over REST"


async def test_the_key_travels_in_the_first_frame_alone(bench: CloudBench, runware: RunwareSocketSimulator) -> None:
    await bench.generate()
    assert not any(runware.key in f"{seen.path} {seen.headers}" for seen in runware.seen)


async def test_a_connection_that_breaks_while_tasks_run_is_followed_by_another(
    bench: CloudBench, runware: RunwareSocketSimulator
) -> None:
    runware.free_faults = [Fault("slow", seconds=0.2)] * 3
    work = asyncio.create_task(many(bench, 3))
    await until(lambda: len(runware.ledger) == 3)
    await runware.drop_connections()
    results = await work
    assert len({result.request_id for result in results}) == 3
    assert runware.connections == 2 and runware.paid_requests == len(runware.ledger) == 3


@pytest.mark.parametrize("kind", ["cut before", "cut after", "truncate", "garbage"])
async def test_tasks_beside_one_whose_frame_is_lost_are_paid_once(
    bench: CloudBench, runware: RunwareSocketSimulator, kind: Any
) -> None:
    runware.latency = 0.02
    runware.faults = [Fault("slow"), Fault(kind), Fault("slow", seconds=0.05)]
    results = await many(bench, 4)
    assert len({result.request_id for result in results}) == len(runware.ledger) == 4


async def test_answers_that_come_twice_change_nothing(bench: CloudBench, runware: RunwareSocketSimulator) -> None:
    runware.repeats = 3
    results = await many(bench, 3)
    assert all(len(result.images) == 1 for result in results)
    assert runware.paid_requests == len(runware.ledger) == 3
    several = await bench.generate(bench.request(num_images=3), CallKey("session", "several"))
    assert len({image.seed for image in several.images}) == 3


@pytest.mark.parametrize("late", [0.06, 0.15, 0.3])
async def test_an_answer_that_comes_late_is_no_answer_to_a_question(
    bench: CloudBench, runware: RunwareSocketSimulator, late: float
) -> None:
    """The task arrives late as well, after it was sent again: the service takes one of the two."""
    runware.faults = [Fault("slow", seconds=late)]
    runware.free_faults = [Fault("slow")] * 2 + [Fault("slow", seconds=0.1)] * 4
    send = bench.provider.send

    async def impatient(call: HttpCall, read_seconds: float = 120.0, read: Any = None) -> HttpAnswer:
        return await send(call, 0.03 if "getResponse" not in str(call.json) else read_seconds, read)

    bench.provider.send = impatient  # type: ignore[method-assign]
    assert len((await bench.generate()).images) == 1
    await until(lambda: not runware._frames)
    assert len(runware.ledger) == 1


async def test_an_error_that_names_no_task_is_nobodys_among_several(
    bench: CloudBench, runware: RunwareSocketSimulator
) -> None:
    runware.names_tasks = False
    runware.faults = [Fault("slow", seconds=0.1), Fault("trouble", "refused prompt", seconds=0.03)]
    results = await many(bench, 2)
    assert len({result.request_id for result in results}) == len(runware.ledger) == 2


async def test_an_error_that_names_no_task_is_for_the_only_one(
    bench: CloudBench, runware: RunwareSocketSimulator
) -> None:
    runware.names_tasks = False
    runware.faults = [Fault("trouble", "refused prompt")]
    with pytest.raises(ProviderRefused):
        await bench.generate()
    assert runware.paid_requests == 1


async def test_a_question_without_an_answer_is_asked_again(
    bench: CloudBench, runware: RunwareSocketSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runware_socket, "QUESTION_SECONDS", 0.4)
    runware.silent_questions = 1
    assert len((await bench.generate()).images) == 1 and len(runware.ledger) == 1


async def test_silence_is_broken_by_a_ping(bench: CloudBench, runware: RunwareSocketSimulator) -> None:
    use_socket(bench, RunwareSocket(ping_seconds=0.2))
    runware.faults = [Fault("slow", seconds=0.5)]
    await bench.generate()
    assert runware.pings >= 1 and len(runware.ledger) == 1


async def test_a_connection_that_answers_no_ping_is_left(
    bench: CloudBench, runware: RunwareSocketSimulator, socket: RunwareSocket
) -> None:
    runware.answers_pings = False
    runware.free_faults = [Fault("slow", seconds=10)]
    impatient = RunwareSocket(ping_seconds=0.02)
    with pytest.raises(AnswerLost):
        await impatient.exchange(address(runware), runware.key, QUESTION, 10)
    await until(lambda: runware.pings == 1)
    await socket.exchange(address(runware), runware.key, QUESTION, 10)
    await impatient.aclose()


async def test_a_connection_that_nobody_needs_is_let_go(bench: CloudBench, runware: RunwareSocketSimulator) -> None:
    use_socket(bench, RunwareSocket(ping_seconds=0.2))
    await bench.generate()
    await until(lambda: not runware._open_ones)
    before = runware.connections
    await bench.generate(key=CallKey("session", "another node"))
    assert runware.connections > before


async def test_the_service_may_close_what_is_idle(bench: CloudBench, runware: RunwareSocketSimulator) -> None:
    runware.idle_seconds = 0.3
    await bench.generate()
    await until(lambda: not runware._open_ones)
    before = runware.connections
    await bench.generate(key=CallKey("session", "another node"))
    assert runware.connections > before and len(runware.ledger) == 2


async def test_each_key_has_a_connection(runware: RunwareSocketSimulator, socket: RunwareSocket) -> None:
    first, runware.key = runware.key, "sk-another-key"
    refused = await socket.exchange(address(runware), first, QUESTION, 5)
    assert refused.status == 401 and first.encode() not in refused.body
    for _ in range(2):
        assert (await socket.exchange(address(runware), "sk-another-key", QUESTION, 5)).status == 400
    runware.key = first
    await socket.exchange(address(runware), first, QUESTION, 5)
    assert runware.connections == 3


async def test_a_task_that_was_written_is_lost_and_one_without_a_connection_was_not_sent(
    runware: RunwareSocketSimulator, socket: RunwareSocket
) -> None:
    runware.free_faults = [Fault("cut before")]
    with pytest.raises(AnswerLost):
        await socket.exchange(address(runware), runware.key, QUESTION, 5)
    with pytest.raises(NotSent):
        await socket.exchange("ws://127.0.0.1:9/v1", runware.key, QUESTION, 5)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("rateLimitExceeded", ProviderRateLimited),
        ("insufficientCredits", ProviderQuotaExhausted),
        ("accountSuspended", ProviderAuthError),
        ("invalidParameter", ProviderBadRequest),
        ("unsupportedWidth", ProviderBadRequest),
        ("modelNotFound", ProviderBadRequest),
        ("promptBlocked", ProviderRefused),
        ("internalServerError", OutcomeUnknown),
        ("timeoutProvider", OutcomeUnknown),
        ("somethingNew", OutcomeUnknown),
    ],
)
def test_an_error_without_a_status_is_told_by_its_code(code: str, error: type[Exception]) -> None:
    said = {"data": [], "errors": [{"code": code, "message": "It did not work."}]}
    answer = runware_socket._answer(said, "sk-key", asked=False)
    assert type(RunwareImageService().failure_of(answer)) is error
    assert json.loads(answer.body) == {"errors": said["errors"]}
