"""The container's life under the Worker: woken by requests, kept awake by work, put to sleep, brought back."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.cloud.cloud_worker import ACCESS_TOKEN, BEARER, CloudWorker
from tests.cloud.process_engine import ProcessEngine
from tests.cloud.s3_server import S3Server
from tests.cloud.server_settings import INSIDE, cloud_settings

GATE_PACK = """
import os, time
from invokeai.invocation_api import BaseInvocation, IntegerOutput, InvocationContext, invocation

@invocation("gate", title="Gate", version="1.0.0")
class GateInvocation(BaseInvocation):
    def invoke(self, context: InvocationContext) -> IntegerOutput:
        while not os.path.exists(os.environ["INVOKEAI_CUSTOM_NODES_PATH"] + "/open"):
            time.sleep(0.05)
        return IntegerOutput(value=1)
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ProcessEngine]:
    engine = ProcessEngine(tmp_path)
    yield engine
    engine.stop()


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    """A node pack whose node waits until the file `open` is there."""
    folder = tmp_path / "nodes"
    (folder / "gate_pack").mkdir(parents=True)
    (folder / "gate_pack" / "__init__.py").write_text(GATE_PACK)
    return folder


@pytest.fixture
def sleep_after() -> str:
    return "1s"


@pytest.fixture
def worker(engine: ProcessEngine, nodes: Path, s3_server: S3Server, sleep_after: str) -> Iterator[CloudWorker]:
    """A Worker whose container sleeps after `sleep_after` without a visitor."""
    bindings = {"SLEEP_AFTER": sleep_after, "FAL_KEY": "key-of-a-provider", "INVOKEAI_CUSTOM_NODES_PATH": str(nodes)}
    bindings |= cloud_settings(INSIDE, s3_server.new_bucket())
    worker = CloudWorker(None, bindings, engine=engine)
    yield worker
    worker.stop()


def wait_until(condition: Callable[[], bool], engine: ProcessEngine, worker: CloudWorker, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, engine.log_text()[-3000:] + worker.log_text()[-3000:]
        time.sleep(0.02)


async def until(condition: Callable[[], bool], engine: ProcessEngine, worker: CloudWorker) -> None:
    """`wait_until` beside running requests."""
    await asyncio.to_thread(wait_until, condition, engine, worker)


async def test_requests_wake_it_and_it_falls_asleep_again(worker: CloudWorker, engine: ProcessEngine) -> None:
    async with aiohttp.ClientSession(worker.base_url, headers=BEARER) as http:
        assert (await http.get("/healthz")).status == 200
        assert (await http.get("/access")).status == 200
        assert engine.starts == 0

        assert (await http.post("/api/v1/boards/?board_name=Sea")).status == 201
        assert engine.starts == 1
        told = engine.environments[0]
        assert told["FAL_KEY"] == "key-of-a-provider" and told["INVOKEAI_WEB_UI"] == "none"
        assert told["INVOKEAI_D1_BASE_URL"] == "http://d1.internal"
        assert ACCESS_TOKEN not in str(told)

        wanted = {"prompt": "a red sea", "model": "sketch/flow", "size": "64x64", "response_format": "url"}
        made = await (await http.post("/v1/images/generations", json=wanted)).json()
        address = made["data"][0]["url"]
        assert address.startswith(f"{worker.base_url}/"), "the server must know under which address it is visited"
        # read to the end: whoever still waits for bytes keeps it awake
        assert (await (await http.get(address)).read()).startswith(b"\x89PNG")

        wait_until(lambda: "server sleeps" in worker.log_text(), engine, worker)
        assert (engine.signals, engine.exit_codes, engine.starts) == (["SIGTERM"], [0], 1)
        worker.put("thumbnails/sea.webp", b"a picture", "image/webp")
        assert await (await http.get("/api/v1/images/i/sea.png/thumbnail")).read() == b"a picture"
        assert engine.starts == 1, "a stored picture woke the container"

        boards = await (await http.get("/api/v1/boards/?all=true")).json()
        assert [board["board_name"] for board in boards] == ["Sea"]
        assert engine.starts == 2


async def test_work_keeps_it_awake_without_any_visitor(worker: CloudWorker, engine: ProcessEngine, nodes: Path) -> None:
    await enqueue_gates(worker, 2)
    # each time it is asked whether it works, there is one connection more
    asked_from = engine.connections
    wait_until(lambda: engine.connections >= asked_from + 2, engine, worker)
    assert engine.is_running() and engine.signals == []

    (nodes / "open").touch()
    wait_until(lambda: not engine.is_running(), engine, worker)
    assert (engine.starts, engine.exit_codes) == (1, [0])
    assert (await status(worker))["queue"]["completed"] == 2


async def test_it_comes_back_to_its_work_when_its_host_is_lost(
    worker: CloudWorker, engine: ProcessEngine, nodes: Path
) -> None:
    await enqueue_gates(worker, 1)
    wait_until(lambda: query(worker, "SELECT 1 FROM session_queue WHERE status = 'in_progress'") != [], engine, worker)
    engine.kill()
    wait_until(lambda: engine.starts == 2 and engine.is_running(), engine, worker)
    (nodes / "open").touch()
    wait_until(lambda: query(worker, "SELECT 1 FROM session_queue WHERE status = 'completed'") != [], engine, worker)
    wait_until(lambda: not engine.is_running(), engine, worker)
    assert engine.starts == 2


@pytest.mark.parametrize("sleep_after", ["1m"])  # it must not fall asleep before it is killed
async def test_a_server_that_cannot_stay_up_is_left_alone_after_a_while(
    worker: CloudWorker, engine: ProcessEngine
) -> None:
    async with aiohttp.ClientSession(worker.base_url, headers=BEARER) as http:
        await http.get("/api/v1/app/version")
    for starts in range(1, 5):
        wait_until(lambda starts=starts: (engine.starts, engine.is_ready()) == (starts, True), engine, worker)
        engine.kill()
    wait_until(lambda: "stays away until somebody comes" in worker.log_text(), engine, worker)
    assert engine.starts == 4
    async with aiohttp.ClientSession(worker.base_url, headers=BEARER) as http:
        assert (await http.get("/api/v1/app/version")).status == 200


@pytest.mark.parametrize("sleep_after", ["1m"])
async def test_another_key_replaces_the_server_and_another_version_alone_does_not(
    worker: CloudWorker, engine: ProcessEngine
) -> None:
    async def visit() -> int:
        async with aiohttp.ClientSession(worker.base_url, headers=BEARER) as http:
            return (await http.get("/api/v1/app/version")).status

    assert await visit() == 200
    worker.change(ALLOWED_ORIGINS="https://studio.example")
    assert await visit() == 200
    assert engine.starts == 1, "the server does not see the Worker's own variables"
    worker.change(FAL_KEY="another-key")
    assert await visit() == 200
    assert (engine.signals, engine.exit_codes, engine.starts) == (["SIGTERM"], [0], 2)
    assert engine.environments[1]["FAL_KEY"] == "another-key"
    assert await visit() == 200
    assert engine.starts == 2


@pytest.mark.parametrize("sleep_after", ["1m"])
async def test_keys_that_change_one_after_the_other_cut_no_running_item_short(
    worker: CloudWorker, engine: ProcessEngine, nodes: Path
) -> None:
    async def visit() -> int:
        async with aiohttp.ClientSession(worker.base_url, headers=BEARER) as http:
            try:
                return (await http.get("/api/v1/app/version")).status
            except aiohttp.ClientError:  # the Worker is deployed anew meanwhile
                return 0

    await enqueue_gates(worker, 1)
    await until(lambda: query(worker, "SELECT 1 FROM session_queue WHERE status = 'in_progress'") != [], engine, worker)
    worker.change(FAL_KEY="second-key")
    first = asyncio.create_task(visit())
    await until(lambda: engine.signals != [], engine, worker)
    await asyncio.to_thread(worker.change, FAL_KEY="third-key")
    second = asyncio.create_task(visit())
    await until(lambda: "has not ended yet" in worker.log_text() or len(engine.signals) > 1, engine, worker)
    (nodes / "open").touch()
    assert (await second, await first) == (200, 0)
    assert (engine.signals, engine.exit_codes, engine.starts) == (["SIGTERM"], [0], 2)
    assert engine.environments[1]["FAL_KEY"] == "third-key"
    assert query(worker, "SELECT status, attempts FROM session_queue") == [{"status": "completed", "attempts": 1}]


async def test_one_fault_of_the_object_is_not_kept_for_all_who_come_later(
    engine: ProcessEngine, s3_server: S3Server
) -> None:
    entry = Path(__file__).with_name("studio_that_fails_once.js")
    worker = CloudWorker(None, cloud_settings(INSIDE, s3_server.new_bucket()), engine=engine, entry=entry)
    try:
        async with aiohttp.ClientSession(worker.base_url, headers=BEARER) as http:
            assert [(await http.get("/api/v1/app/version")).status for _ in range(2)] == [503, 200]
    finally:
        worker.stop()


async def test_a_whole_page_of_requests_wakes_one_container(worker: CloudWorker, engine: ProcessEngine) -> None:
    async with aiohttp.ClientSession(worker.base_url, headers=BEARER) as http:
        answers = await asyncio.gather(*(http.get("/api/v1/boards/?all=true") for _ in range(40)))
    assert {answer.status for answer in answers} == {200}
    assert engine.starts == 1


async def test_a_socket_reaches_it_and_keeps_it_awake(worker: CloudWorker, engine: ProcessEngine) -> None:
    headers = worker.sign_in()
    async with aiohttp.ClientSession(worker.base_url, headers=headers) as http:
        async with http.ws_connect("/ws/socket.io/?EIO=4&transport=websocket") as socket:
            assert (await socket.receive_str(timeout=30)).startswith("0{")
            assert engine.is_running()
        wait_until(lambda: not engine.is_running(), engine, worker)
    assert engine.exit_codes == [0]


async def enqueue_gates(worker: CloudWorker, runs: int) -> None:
    graph = {"id": "g", "nodes": {"n": {"id": "n", "type": "gate"}}, "edges": []}
    async with aiohttp.ClientSession(worker.base_url, headers=BEARER) as http:
        body = {"batch": {"graph": graph, "runs": runs}}
        answer = await http.post("/api/v1/queue/default/enqueue_batch", json=body)
        assert (await answer.json())["enqueued"] == runs, await answer.text()


async def status(worker: CloudWorker) -> dict[str, Any]:
    async with aiohttp.ClientSession(worker.base_url, headers=BEARER) as http:
        answer: dict[str, Any] = await (await http.get("/api/v1/queue/default/status")).json()
        return answer


def query(worker: CloudWorker, sql: str) -> list[Any]:
    """Rows of the Worker's database, past the container."""
    url = f"{worker.d1.base_url}/client/v4/accounts/internal/d1/database/studio/query"
    request = urllib.request.Request(url, json.dumps({"sql": sql}).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        rows: list[Any] = json.load(answer)["result"][0]["results"]
        return rows
