"""What a platform asks of a server: does it live, may it get visitors, does it end in order."""

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from invokeai.app.api.health import StartGate
from invokeai.app.api_app import create_app
from invokeai.app.services.config.config import AppConfig, ConfigurationError
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.objects.s3_objects import S3Objects, S3Settings
from tests.bound_processes import start_bound
from tests.cloud.d1_gateway import D1Gateway
from tests.cloud.fault_proxy import FaultProxy
from tests.cloud.s3_server import S3Server
from tests.cloud.server_settings import cloud_settings
from tests.free_ports import free_port
from tests.studio_process import StudioProcess


class SlowApp:
    """An application whose start lasts until it is let go, or fails with `fault`."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.go = asyncio.Event()
        self.fault = fault
        self.served: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await self.go.wait()
            if self.fault:
                raise self.fault
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.served.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})


@asynccontextmanager
async def living(gate: StartGate) -> AsyncIterator[list[str]]:
    """Run the gate's life as a server does; what it told the server."""
    orders: asyncio.Queue[Message] = asyncio.Queue()
    told: list[str] = []

    async def send(message: Message) -> None:
        told.append(message["type"])

    orders.put_nowait({"type": "lifespan.startup"})
    life = asyncio.create_task(gate({"type": "lifespan"}, orders.get, send))
    while not told:
        await asyncio.sleep(0)
    yield told
    orders.put_nowait({"type": "lifespan.shutdown"})
    await life


def client_of(gate: StartGate) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://studio")


async def test_a_server_that_starts_says_that_it_lives_and_holds_every_other_request() -> None:
    app, started = SlowApp(), list[bool]()
    gate = StartGate(lambda: (app, lambda: SimpleNamespace()), started.append)
    async with living(gate) as told, client_of(gate) as client:
        assert told == ["lifespan.startup.complete"]
        assert (await client.get("/healthz")).json() == {"status": "starting"}
        early = await client.get("/readyz")
        assert (early.status_code, early.json()) == (503, {"status": "starting"})
        held = [asyncio.create_task(client.get(f"/api/{n}")) for n in range(3)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert (app.served, started) == ([], [])
        app.go.set()
        assert [(await answer).text for answer in held] == ["served"] * 3
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert started == [True]
    assert told[-1] == "lifespan.shutdown.complete"


@pytest.mark.parametrize("fault", [ConfigurationError("The setting x is wrong."), RuntimeError("a bug")])
async def test_a_start_that_fails_lets_go_of_those_who_wait(fault: Exception, caplog: pytest.LogCaptureFixture) -> None:
    app, started = SlowApp(fault), list[bool]()
    gate = StartGate(lambda: (app, lambda: SimpleNamespace()), started.append)
    async with living(gate) as told, client_of(gate) as client:
        held = asyncio.create_task(client.get("/api/1"))
        await asyncio.sleep(0)
        app.go.set()
        assert (await held).status_code == 503
        assert (await client.get("/readyz")).status_code == 503
    assert (started, app.served, told[-1]) == ([False], [], "lifespan.shutdown.complete")
    (record,) = [record for record in caplog.records if "start failed" in record.message]
    assert ("The setting x" in record.message) is (record.exc_info is None)


async def test_a_probe_of_the_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    await DiskObjects(tmp_path / "outputs").probe()
    assert list((tmp_path / "outputs").iterdir()) == []


async def test_a_bucket_that_is_gone_is_noticed(s3_server: S3Server) -> None:
    right = s3_server.new_bucket()
    gone = S3Settings("no-such-bucket", "", right.access_key_id, right.secret_access_key, right.endpoint)
    for settings, fault in ((right, None), (gone, "NoSuchBucket")):
        objects = S3Objects(settings)
        if fault is None:
            await objects.probe()
        else:
            with pytest.raises(Exception, match=fault):
                await objects.probe()
        await objects.close()


def test_readiness_is_no_part_of_the_documented_interface(tmp_path: Path) -> None:
    paths = create_app(AppConfig(root=tmp_path)).openapi()["paths"]
    assert not {"/healthz", "/readyz"} & set(paths)


def test_a_studio_whose_files_cannot_be_written_is_alive_and_not_ready(studio: StudioProcess) -> None:
    assert httpx.get(f"{studio.base_url}/healthz").json() == {"status": "ok"}
    ready = httpx.get(f"{studio.base_url}/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "database": "ok", "storage": "ok"})
    shutil.rmtree(studio.root / "outputs", ignore_errors=True)
    (studio.root / "outputs").write_text("no folder")
    ready = httpx.get(f"{studio.base_url}/readyz")
    said: dict[str, Any] = ready.json()
    assert (ready.status_code, said["status"], said["database"]) == (503, "not ready", "ok")
    assert "could not be stored" in said["storage"]
    assert httpx.get(f"{studio.base_url}/healthz").status_code == 200
    assert httpx.head(f"{studio.base_url}/readyz").content == b""


def test_readiness_tells_which_engine_is_away_and_no_secret(
    tmp_path: Path, d1_gateway: D1Gateway, s3_server: S3Server
) -> None:
    d1, s3 = d1_gateway.new_database(), s3_server.new_bucket()
    records, files = FaultProxy(d1.base_url), FaultProxy(str(s3.endpoint))
    settings = cloud_settings(d1, s3, files.base_url) | {"INVOKEAI_D1_BASE_URL": records.base_url}
    studio = StudioProcess(tmp_path / "root", settings=settings).start()
    try:
        assert httpx.get(f"{studio.base_url}/readyz", timeout=30).status_code == 200
        for proxy, name, other in ((records, "database", "storage"), (files, "storage", "database")):
            proxy.down = True
            answer = httpx.get(f"{studio.base_url}/readyz", timeout=30)
            said = answer.json()
            assert (answer.status_code, said[other]) == (503, "ok")
            assert said[name] != "ok"
            assert not [secret for secret in (d1.token, s3.secret_access_key) if str(secret) in answer.text]
            proxy.down = False
        assert httpx.get(f"{studio.base_url}/readyz", timeout=30).status_code == 200
    finally:
        studio.stop()
        records.stop()
        files.stop()


def test_sigterm_in_the_middle_of_the_start_ends_the_server_in_order(tmp_path: Path) -> None:
    pack = tmp_path / "root" / "nodes" / "slow_pack"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text(
        "import pathlib, time\n"
        f"pathlib.Path({str(tmp_path / 'loading')!r}).touch()\n"
        f"while not pathlib.Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.01)\n"
    )
    port = free_port()
    command = [sys.executable, "-m", "invokeai.app.run_app", "--root", str(tmp_path / "root"), "--port", str(port)]
    environment = {"INVOKEAI_WEB_UI": "none", "PATH": ""}
    with start_bound(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            while not (tmp_path / "loading").exists():
                assert process.poll() is None, process.stderr and process.stderr.read()
            assert httpx.get(f"http://127.0.0.1:{port}/healthz").json() == {"status": "starting"}
            process.send_signal(signal.SIGTERM)
            (tmp_path / "go").touch()
            _, log = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, log
    assert "Traceback" not in log
