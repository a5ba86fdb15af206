"""Through the Worker to the real server: calls, uploads, sockets; and what streams, streams."""

import asyncio
import base64
import io
import json
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import socketio
from openai import AsyncOpenAI, AuthenticationError
from PIL import Image

from invokeai.app.services.config.config import AppConfig
from tests.cloud.cloud_worker import ACCESS_TOKEN, API_TOKEN, BEARER, CloudDeployment, CloudWorker
from tests.cloud.d1_gateway import FRONTEND
from tests.cloud.recording_origin import RecordingOrigin


@pytest.fixture
async def browser(cloud_worker: CloudDeployment) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that is signed in as a browser is."""
    headers = cloud_worker.worker.sign_in()
    async with aiohttp.ClientSession(cloud_worker.url, headers=headers) as session:
        yield session


@pytest.fixture(scope="module")
def origin() -> Iterator[RecordingOrigin]:
    origin = RecordingOrigin()
    yield origin
    origin.stop()


@pytest.fixture(scope="module")
def before_origin(origin: RecordingOrigin) -> Iterator[CloudWorker]:
    """A Worker in front of `origin`."""
    worker = CloudWorker(origin.base_url)
    yield worker
    worker.stop()


async def test_the_server_answers_with_its_records_in_the_workers_database(
    cloud_worker: CloudDeployment, browser: aiohttp.ClientSession
) -> None:
    async with browser.get("/api/v1/app/version") as answer:
        assert answer.status == 200 and answer.headers["x-content-type-options"] == "nosniff"
    assert (await browser.post("/api/v1/boards/?board_name=Sea")).status == 201
    query = f"{cloud_worker.worker.d1.base_url}/client/v4/accounts/internal/d1/database/studio/query"
    async with aiohttp.ClientSession(cloud_worker.url, headers=BEARER) as program:
        boards = await (await program.get("/api/v1/boards/?all=true")).json()
        rows = await (await program.post(query, json={"sql": "SELECT board_name FROM boards"})).json()
    assert (
        [one["board_name"] for one in boards] == ["Sea"] == [row["board_name"] for row in rows["result"][0]["results"]]
    )


async def test_compressed_answers_and_redirects_arrive_whole(
    cloud_worker: CloudDeployment, browser: aiohttp.ClientSession
) -> None:
    async with aiohttp.ClientSession(cloud_worker.studio.base_url) as direct:
        expected = await (await direct.get("/openapi.json")).json()
    answer = await browser.get("/openapi.json", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert await answer.json() == expected
    moved = await browser.get("/api/v1/boards", allow_redirects=False)
    assert (moved.status, moved.headers["location"]) == (307, f"{cloud_worker.url}/api/v1/boards/")
    missing = await browser.get("/api/v1/images/i/none.png")
    assert missing.status == 404 and (await missing.json())["detail"]


async def test_twenty_megabytes_are_uploaded_and_come_back(
    cloud_worker: CloudDeployment, browser: aiohttp.ClientSession
) -> None:
    side = 2650
    noise = Image.frombytes("RGB", (side, side), random.Random(1).randbytes(side * side * 3))
    file = io.BytesIO()
    noise.save(file, "PNG", compress_level=0)
    assert len(file.getvalue()) > 20 * 2**20
    form = aiohttp.FormData()
    form.add_field("file", file.getvalue(), filename="noise.png", content_type="image/png")
    sent = await browser.post("/api/v1/images/upload?image_category=user&is_intermediate=false", data=form)
    assert sent.status == 201, await sent.text()
    name = (await sent.json())["image_name"]
    received = await (await browser.get(f"/api/v1/images/i/{name}/full")).read()
    assert Image.open(io.BytesIO(received)).tobytes() == noise.tobytes()


@pytest.mark.parametrize("transports", [["websocket"], ["polling", "websocket"]])
async def test_events_arrive_over_a_socket(
    cloud_worker: CloudDeployment, browser: aiohttp.ClientSession, transports: list[str]
) -> None:
    headers = cloud_worker.worker.sign_in()
    client = socketio.AsyncClient(reconnection=False)
    completed: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    @client.on("queue_item_status_changed")
    async def changed(event: dict[str, Any]) -> None:
        if event["status"] == "completed" and not completed.done():
            completed.set_result(event)

    await client.connect(cloud_worker.url, headers=headers, socketio_path="/ws/socket.io", transports=transports)
    try:
        await client.call("subscribe_queue", {"queue_id": "default"})
        graph = {"id": "g", "nodes": {"n": {"id": "n", "type": "add", "a": 1, "b": 2}}, "edges": []}
        batch = {"batch": {"graph": graph, "runs": 1}}
        assert (await browser.post("/api/v1/queue/default/enqueue_batch", json=batch)).status == 200
        await asyncio.wait_for(completed, 30)
        assert client.transport() == "websocket"
    finally:
        await client.disconnect()


async def test_bodies_stream_in_both_directions(before_origin: CloudWorker, origin: RecordingOrigin) -> None:
    async def two_parts() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        assert await asyncio.to_thread(origin.first_chunk.wait, 20), "the first part waits for the second"
        yield b"y" * 100_000

    async with aiohttp.ClientSession(before_origin.base_url, headers=BEARER) as http:
        sent = await http.post("/body", data=two_parts())
        assert await sent.json() == {"length": 200_000}
        async with http.get("/events") as events:
            assert await events.content.readuntil(b"\n\n") == b"data: first\n\n"
            origin.go_on.set()
            assert await events.content.readuntil(b"\n\n") == b"data: second\n\n"


@pytest.mark.parametrize("key", [ACCESS_TOKEN, API_TOKEN])
async def test_openais_client_makes_pictures_through_the_worker(cloud_worker: CloudDeployment, key: str) -> None:
    async with AsyncOpenAI(api_key=key, base_url=f"{cloud_worker.url}/v1", max_retries=0) as client:
        answer = await client.images.generate(prompt="a red sea", size="64x64")  # type: ignore[call-overload]
        assert Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))).size == (64, 64)
    async with AsyncOpenAI(api_key="another", base_url=f"{cloud_worker.url}/v1", max_retries=0) as stranger:
        with pytest.raises(AuthenticationError, match="access token"):
            await stranger.models.list()


def in_node(expression: str) -> str:
    """What modules of the Worker say."""
    script = f"import * as settings from './worker/server_settings.js'; console.log({expression})"
    command = ["node", "--input-type=module", "-e", script]
    return subprocess.run(command, cwd=FRONTEND, check=True, capture_output=True, text=True).stdout.strip()


def test_the_container_gets_settings_and_keys_but_not_the_access_token() -> None:
    own = "ACCESS_TOKEN: 'secret', BACKEND_ORIGIN: 'secret', ALLOWED_ORIGINS: 'secret', SLEEP_AFTER: '9m', DB: {}"
    env = f"{{{own}, FAL_KEY: 'f', INVOKEAI_DAILY_SPEND_CAP: '5', INVOKEAI_WEB_UI: 'auto'}}"
    told = dict(json.loads(in_node(f"JSON.stringify(Object.entries(settings.serverEnvironment({env}, 8080)))")))
    assert told["FAL_KEY"] == "f" and told["INVOKEAI_DAILY_SPEND_CAP"] == "5"
    assert told["INVOKEAI_WEB_UI"] == "none" and told["INVOKEAI_D1_BASE_URL"] == "http://d1.internal"
    assert all(name == "FAL_KEY" or name.startswith(("INVOKEAI_", "FORWARDED_")) for name in told)


def test_a_server_that_makes_way_gets_the_time_that_its_drain_takes() -> None:
    default = AppConfig.model_fields["drain_seconds"].default
    usual = int(in_node("settings.endMilliseconds({})"))
    assert usual >= (default + 33) * 1000, "3 s for requests, then the drain, then up to 30 s for what is left"
    longer = int(in_node("settings.endMilliseconds({INVOKEAI_DRAIN_SECONDS: '300'})"))
    assert longer - usual == (300 - default) * 1000
    for wrong in ("''", "'many'"):
        assert int(in_node(f"settings.endMilliseconds({{INVOKEAI_DRAIN_SECONDS: {wrong}}})")) == usual


async def test_work_keeps_the_container_awake_and_a_paused_queue_does_not(browser: aiohttp.ClientSession) -> None:
    async def is_busy(**processor: bool) -> bool:
        status = await (await browser.get("/api/v1/queue/default/status")).json()
        status["processor"] |= processor
        return in_node(f"settings.isBusy({json.dumps(status)})") == "true"

    await browser.put("/api/v1/queue/default/processor/pause")
    graph = {"id": "g", "nodes": {"n": {"id": "n", "type": "add", "a": 3, "b": 4}}, "edges": []}
    await browser.post("/api/v1/queue/default/enqueue_batch", json={"batch": {"graph": graph, "runs": 1}})
    try:
        assert not await is_busy()
        assert await is_busy(is_started=True)
        assert await is_busy(is_processing=True)
    finally:
        await browser.put("/api/v1/queue/default/clear")
        await browser.put("/api/v1/queue/default/processor/resume")
    assert not await is_busy()
