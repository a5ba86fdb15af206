"""A container engine for workerd whose one container is a server process of this machine.

It speaks as much of Docker's API (unix socket) and of workerd's networking sidecar as workerd asks for: CONNECT leads
to the container's ports through the sidecar, and from the container to workerd, which answers d1.internal.
Every start has an empty disk, as on Cloudflare.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.bound_processes import bind
from tests.free_ports import free_port
from tests.studio_process import HIDDEN_FROM_THE_SERVER

IMAGE, SIDECAR_IMAGE = "studio:local", "sidecar:local"
SIDECAR_PORT = "39001/tcp"


class ProcessEngine:
    """Runs on a thread with a loop of its own. `folder` takes the socket, the disks and the logs."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "engine.sock"
        self.environments: list[dict[str, str]] = []
        """What each started container was told."""
        self.exit_codes: list[int] = []
        """How each container ended."""
        self.signals: list[str] = []
        """What was sent to the containers."""
        self.connections = 0
        """Connections to the container's port so far."""
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self._sidecar: dict[str, Any] | None = None
        self._sidecar_port = 0
        self._egress_port = 0
        self._workerd_port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def starts(self) -> int:
        """How many containers were started so far."""
        return len(self.environments)

    def is_running(self) -> bool:
        """Whether the container is awake."""
        return self._process is not None and self._process.returncode is None

    def is_ready(self) -> bool:
        """Whether the server in the container takes connections."""
        if not self.is_running():
            return False
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def log_text(self) -> str:
        """What the containers logged."""
        return "".join(log.read_text(errors="replace") for log in sorted(self._folder.glob("container-*.log")))

    def kill(self) -> None:
        """What happens when the host of the container is lost."""
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End everything."""
        self.kill()
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.socket)).start()
        ingress = await asyncio.start_server(self._from_workerd, "127.0.0.1", 0)
        self._sidecar_port = ingress.sockets[0].getsockname()[1]
        egress = await asyncio.start_server(self._from_container, "127.0.0.1", 0)
        self._egress_port = egress.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _answer(self, request: web.Request) -> web.Response:
        """Docker's API: https://docs.docker.com/reference/api/engine/ ."""
        parts = request.path.strip("/").split("/")
        if parts == ["networks", "bridge"]:
            return web.json_response({"IPAM": {"Config": [{"Subnet": "127.0.0.0/8", "Gateway": "127.0.0.1"}]}})
        if parts[0] == "volumes":
            return web.json_response({"Volumes": [], "Warnings": []})
        if parts == ["containers", "create"]:
            return await self._create(request)
        is_sidecar = parts[1].endswith("-proxy")
        match [request.method, *parts[2:]]:
            case ["GET", "json"]:
                return self._inspect(is_sidecar)
            case ["POST", "start"]:
                if not is_sidecar:
                    await self._start()
                return web.Response(status=204)
            case ["POST", "wait"] if self._process is not None:
                return web.json_response({"StatusCode": await self._process.wait()})
            case ["POST", "kill"] if self._process is not None and self.is_running():
                name = request.query["signal"]
                self.signals.append(name)
                self._process.send_signal(signal.Signals[name])
                return web.Response(status=200)
            case ["DELETE"]:
                if is_sidecar:
                    self._sidecar = None
                else:
                    self.kill()
                return web.Response(status=204)
        return web.json_response({"message": "no such container"}, status=404)

    async def _create(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        if wanted["Image"] == SIDECAR_IMAGE:
            self._sidecar = wanted
        else:
            # whoever waits for the new one must not be told how the old one ended
            self._process = None
            self.environments.append(dict(entry.partition("=")[::2] for entry in wanted.get("Env", [])))
        return web.json_response({"Id": "created", "Warnings": []}, status=201)

    def _inspect(self, is_sidecar: bool) -> web.Response:
        if not (self._sidecar is not None if is_sidecar else self.is_running()):
            return web.json_response({"message": "no such container"}, status=404)
        ports = {SIDECAR_PORT: [{"HostIp": "127.0.0.1", "HostPort": str(self._sidecar_port)}]} if is_sidecar else {}
        state = {"Status": "running", "Running": True}
        return web.json_response({"State": state, "NetworkSettings": {"Ports": ports}, "Config": {"Labels": {}}})

    async def _start(self) -> None:
        told = self.environments[-1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN_FROM_THE_SERVER)}
        # there is no name service for d1.internal on this machine
        here = {**told, "INVOKEAI_D1_BASE_URL": f"http://127.0.0.1:{self._egress_port}"}
        self._port = free_port()
        name = f"container-{self.starts}"
        arguments = ["-m", "invokeai.app.run_app", "--root", str(self._folder / name), "--host", "127.0.0.1"]
        with (self._folder / f"{name}.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, *arguments, "--port", str(self._port)),
                env={**kept, **here},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        bind(self._process.pid)
        self._ending = asyncio.create_task(self._note_the_end(self._process))

    async def _note_the_end(self, process: asyncio.subprocess.Process) -> None:
        self.exit_codes.append(await process.wait())

    async def _from_workerd(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The sidecar: settings by PUT, connections to the container by CONNECT."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method = head.partition(" ")[0]
        if method != "CONNECT":
            length = next(
                (int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0
            )
            told = await reader.readexactly(length)
            if head.startswith("PUT /egress "):
                # a workerd that was started anew listens at another port
                self._workerd_port = json.loads(told)["port"]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            writer.close()
            return
        try:
            inside = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()
            return
        self.connections += 1
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await _join((reader, writer), inside)

    async def _from_container(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection of the container to d1.internal, which workerd answers."""
        try:
            outside = await asyncio.open_connection("127.0.0.1", self._workerd_port)
        except OSError:
            writer.close()
            return
        outside[1].write(b"CONNECT 127.0.0.2:80 HTTP/1.1\r\nHost: 127.0.0.2:80\r\nX-Hostname: d1.internal\r\n\r\n")
        answer = await outside[0].readuntil(b"\r\n\r\n")
        assert b" 200 " in answer, answer
        host = f"Host: 127.0.0.1:{self._egress_port}".encode()
        await _join((reader, writer), outside, (host, b"Host: d1.internal"))


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _join(left: Ends, right: Ends, replaced: tuple[bytes, bytes] = (b"\0", b"\0")) -> None:
    """Pass bytes both ways until both ends are done."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: tuple[bytes, bytes]) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                writer.write(data if pair[0] == pair[1] else data.replace(*pair))
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    await asyncio.gather(pump(left[0], right[1], replaced), pump(right[0], left[1], (b"", b"")))
    for _, writer in (left, right):
        writer.close()
