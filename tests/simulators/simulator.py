"""What all simulators share: a real server, faults on request, and a ledger of what the service would have billed.

A simulator refuses what the real service refuses: wrong key, unknown field, wrong type, number out of range.
"""

import asyncio
import hashlib
import io
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, ClassVar, Literal, TypeVar

from aiohttp import web
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

Kind = Literal["cut before", "cut after", "truncate", "garbage", "error after", "slow", "trouble"]
Trouble = Literal["rate limited", "day is over", "no money", "refused prompt", "refused output", "server error"]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Body = TypeVar("Body", bound=BaseModel)

KEY = "sk-simulated-0123456789-canary"


class Strict(BaseModel):
    """A request's body: nothing that is not declared, nothing of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True)
class Fault:
    """What happens to one paid request.

    `cut before`: the connection ends and nothing was done. `cut after`, `truncate`, `garbage`: the work is done and
    billed, and no answer, half of one, or nonsense comes. `error after`: the same, and a gateway's page with `status`
    comes, or without one the service's own words for a server error. `slow`: after `seconds`. `trouble`: the service's
    own words for `trouble`, nothing billed.
    """

    kind: Kind
    trouble: Trouble | None = None
    seconds: float = 0.0
    retry_after: float | None = None
    status: int | None = None


@dataclass(frozen=True)
class BilledJob:
    """A line of the service's bill. `amount` in US dollars; `request` as it was understood."""

    job_id: str
    amount: Decimal
    pictures: int
    request: Mapping[str, Any]


class Rejected(Exception):
    """The service says no."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body)
        self.status, self.body, self.headers = status, body, dict(headers or {})

    def response(self) -> web.Response:
        return web.json_response(self.body, status=self.status, headers=self.headers)


@dataclass
class SeenRequest:
    """A request that arrived, paid or not."""

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)


class Simulator:
    """A service on a thread with a loop of its own. Subclasses name routes and words for every trouble."""

    name: ClassVar[str]
    latency: float = 0.0
    """Seconds that every paid request takes."""
    address_seconds: ClassVar[float | None] = None
    """How long the address of a picture lives."""

    def __init__(self) -> None:
        self.key = KEY
        self.ledger: list[BilledJob] = []
        self.faults: list[Fault] = []
        """The next paid request takes the first."""
        self.free_faults: list[Fault] = []
        """The next free one (asking, fetching) takes the first."""
        self.seen: list[SeenRequest] = []
        self.paid_requests = 0
        """How many paid requests arrived, billed or not."""
        self.pictures: dict[str, bytes] = {}
        """Files that `picture_url` serves, by name."""
        self.picture_address: str | None = None
        """Given instead of the true address of a picture, to see whether a client follows it."""
        self.pictures_are_away = False
        """Whether pictures cannot be fetched for now."""
        self.passed = 0.0
        """Seconds by which this service's clock is ahead."""
        self._addressed: dict[str, float] = {}
        self.gone: set[str] = set()
        """Models that the service has retired, where it has a list of models."""
        self.stalls = False
        """Whether jobs that can be taken back stay as they are until they are."""
        self.taken_back: list[str] = []
        """Jobs that were."""
        self.picture_bytes: bytes | None = None
        """Given instead of a picture."""
        self.noisy = False
        """Whether pictures are noise, so that their files are as large as files of their size can be."""
        self.port = 0

    # --- what a simulator writes -----------------------------------------------------------------------------------

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        """Handlers of requests that cost money, by method and path."""
        raise NotImplementedError

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        """Handlers of the rest."""
        return {}

    def check_key(self, request: web.Request) -> None:
        """Return when the request carries the key as the service wants it.

        Raises:
            Rejected: it does not.
        """
        raise NotImplementedError

    def trouble(self, fault: Fault) -> web.Response:
        """The service's own answer to a trouble."""
        raise NotImplementedError

    def invalid(self, where: str, message: str) -> Rejected:
        """The service's own words for a wrong field."""
        raise NotImplementedError

    # --- what handlers use -----------------------------------------------------------------------------------------

    async def body(self, request: web.Request, model: type[Body]) -> Body:
        """The JSON body, checked."""
        if request.content_type != "application/json":
            raise self.invalid("Content-Type", "application/json is expected")
        return self.checked(await request.read(), model)

    def checked(self, raw: bytes | Mapping[str, Any], model: type[Body]) -> Body:
        """JSON text or values as `model`."""
        try:
            return model.model_validate_json(raw) if isinstance(raw, bytes) else model.model_validate(raw)
        except ValidationError as error:
            first = error.errors()[0]
            raise self.invalid(".".join(map(str, first["loc"])), first["msg"]) from None

    def bill(self, job_id: str, amount: Decimal | str, pictures: int, request: Mapping[str, Any]) -> None:
        """Write a line of the bill."""
        self.ledger.append(BilledJob(job_id, Decimal(amount), pictures, request))

    def unbill(self, job_id: str) -> None:
        """Strike a job's line from the bill."""
        self.ledger[:] = [line for line in self.ledger if line.job_id != job_id]

    def picture(self, width: int, height: int, text: str, kind: str = "PNG") -> bytes:
        """A picture file of that size, the same for the same text."""
        return self.picture_bytes or (noise(width, height, text) if self.noisy else draw(width, height, text, kind))

    def cut_out(self, width: int, height: int, text: str) -> bytes:
        """A picture whose background was made transparent."""
        return self.picture_bytes or draw(width, height, text, cut_out=True)

    def picture_url(self, name: str, data: bytes) -> str:
        """An address on this server where the file can be fetched without a key."""
        self.pictures[name] = data
        self._addressed[name] = time.monotonic() + self.passed
        return self.picture_address or f"{self.base_url}/pictures/{name}"

    # --- the server ------------------------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, port: int = 0) -> None:
        """Serve on a thread; `port` 0 takes a free one."""
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(self._open(port))
            ready.set()
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert ready.wait(10), "the simulator did not start"

    def stop(self) -> None:
        """Close the port."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _open(self, port: int) -> None:
        app = web.Application(client_max_size=256 * 2**20)
        for (method, path), handler in self.paid_routes().items():
            app.router.add_route(method, path, self._paid(handler))
        for (method, path), handler in self.free_routes().items():
            app.router.add_route(method, path, self._free(handler))
        app.router.add_get("/pictures/{name}", self._serve_picture)
        app.router.add_route("*", "/{path:.*}", self._nowhere)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _paid(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.paid_requests += 1
            return await self._with_faults(request, handler, self.faults, self.latency)

        return handle

    def _free(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._with_faults(request, handler, self.free_faults, 0.0)

        return handle

    async def _with_faults(
        self, request: web.Request, handler: Handler, faults: list[Fault], latency: float
    ) -> web.StreamResponse:
        self.seen.append(SeenRequest(request.method, request.path, dict(request.headers)))
        fault = faults.pop(0) if faults else None
        await asyncio.sleep(latency + (fault.seconds if fault else 0.0))
        if fault and fault.kind == "cut before":
            return _cut(request)
        try:
            self.check_key(request)
            if fault and fault.kind == "trouble":
                await request.read()
                return self.trouble(fault)
            answer = await handler(request)
        except Rejected as rejected:
            await request.read()  # whoever is cut off while sending never sees the answer
            return rejected.response()
        if fault is None or fault.kind == "slow":
            return answer
        if fault.kind == "garbage":
            return web.Response(status=200, body=b'{"data": [{"b64', content_type="application/json")
        if fault.kind == "error after":
            return self._error_after(fault)
        if fault.kind == "truncate" and isinstance(answer, web.Response) and isinstance(answer.body, bytes):
            cut = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            cut.content_length = len(answer.body)
            await cut.prepare(request)
            await cut.write(answer.body[: len(answer.body) // 2])
            await asyncio.sleep(0.02)  # so that the half is on its way before the end
        return _cut(request)

    def _error_after(self, fault: Fault) -> web.Response:
        if fault.status is None:
            return self.trouble(Fault("trouble", "server error"))
        page = f"<html><body><h1>{fault.status} from the gateway</h1></body></html>"
        return web.Response(status=fault.status, text=page, content_type="text/html")

    async def _serve_picture(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(SeenRequest(request.method, request.path, dict(request.headers)))
        if self.free_faults:
            fault = self.free_faults.pop(0)
            if fault.kind == "trouble":
                return web.Response(status=503)
        if "authorization" in request.headers or any(self.key in value for value in request.headers.values()):
            return web.Response(status=400, text="A picture is fetched without the key.")
        name = request.match_info["name"]
        if self.pictures_are_away:
            return web.Response(status=503)
        age = time.monotonic() + self.passed - self._addressed.get(name, 0.0)
        if self.address_seconds is not None and age > self.address_seconds:
            return web.Response(status=403, text="The signature has expired.")
        data = self.pictures.get(name)
        return web.Response(body=data, content_type="image/png") if data else web.Response(status=404)

    async def _nowhere(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(SeenRequest(request.method, request.path, dict(request.headers)))
        return web.json_response({"error": f"no such address: {request.method} {request.path}"}, status=404)


def _cut(request: web.Request) -> web.Response:
    """End the connection; the client may have done so already."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def draw(width: int, height: int, text: str, kind: str = "PNG", *, cut_out: bool = False) -> bytes:
    """A file of two colours that come from the text: quick to make, small, and different for other texts."""
    colours = hashlib.sha256(text.encode()).digest()
    image = Image.new("RGB", (width, height), tuple(colours[:3]))
    middle = (width // 4, height // 4, width // 2, height // 2)
    image.paste(tuple(colours[3:6]), middle)
    if cut_out:
        alpha = Image.new("L", (width, height), 0)
        alpha.paste(255, middle)
        image.putalpha(alpha)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def noise(width: int, height: int, text: str) -> bytes:
    """A PNG file with alpha that does not compress."""
    buffer = io.BytesIO()
    Image.frombytes("RGBA", (width, height), Random(text).randbytes(4 * width * height)).save(buffer, "PNG")
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    """A picture file that a client sent.

    Raises:
        ValueError: it is none.
    """
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except OSError as error:
        raise ValueError("not a picture") from error
    return image
