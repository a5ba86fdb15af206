"""`/healthz` and `/readyz`, and the start behind an open door.

The server listens before the application is even imported: `/healthz` answers from the first moment, every other
request is held until the start is through, and none is served by half a studio. A start that fails is told once, in
one sentence.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from invokeai.app.services.config.config import ConfigurationError
from invokeai.app.services.shared.database.base import DatabaseError
from invokeai.app.services.shared.errors import ServiceError

if TYPE_CHECKING:
    from invokeai.app.services.services import Services

logger = logging.getLogger("invokeai")

PROBE_SECONDS = 5.0
"""How long database and storage may take to answer a probe."""
KNOWN_FAULTS = (ConfigurationError, DatabaseError, ServiceError, OSError)
"""What a user can mend: told in a sentence, without a traceback."""


Application = tuple[ASGIApp, Callable[[], "Services"]]
"""The application, whose lifespan builds the services, and how to have them once it has started."""


class StartGate:
    """Around the whole application.

    Args:
        build: makes the application; called once, in a thread.
        started: called once, with whether the start succeeded.
    """

    def __init__(self, build: Callable[[], Application], started: Callable[[bool], None]) -> None:
        self._build = build
        self._app: ASGIApp = _refuse
        self._services: Callable[[], Services]
        self._started = started
        self._is_through = asyncio.Event()
        self._is_up = False
        self._probe: asyncio.Task[dict[str, str]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            if scope["path"] == "/healthz":
                await _answer(scope, send, 200, {"status": "ok" if self._is_up else "starting"})
                return
            if scope["path"] == "/readyz":
                await self._tell_readiness(scope, send)
                return
        if not self._is_up:
            await self._is_through.wait()
        await self._app(scope, receive, send)

    # Life

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell the server at once that it may listen, then run the application's own life behind that."""
        orders: asyncio.Queue[Message] = asyncio.Queue()
        orders.put_nowait(await receive())
        life = asyncio.create_task(self._run_life(scope, orders.get))
        await send({"type": "lifespan.startup.complete"})
        order = await receive()
        await self._is_through.wait()
        orders.put_nowait(order)
        ended = await life
        await send({"type": f"lifespan.shutdown.{'complete' if ended else 'failed'}"})

    async def _run_life(self, scope: Scope, receive: Receive) -> bool:
        """From start to end; whether the application ended as it should, or had not started."""
        ended = True

        async def heard(message: Message) -> None:
            nonlocal ended
            if message["type"] == "lifespan.startup.complete":
                self._app, self._is_up = app, True
                self._through()
            ended = ended and message["type"] != "lifespan.shutdown.failed"

        try:
            app, self._services = await asyncio.to_thread(self._build)
            await app(scope, receive, heard)
        except KNOWN_FAULTS as error:
            logger.error("The %s failed: %s", "end" if self._is_up else "start", error)
            ended = not self._is_up
        except Exception:  # the process ends next: what it was has to be in the log
            logger.exception("The %s failed", "end" if self._is_up else "start")
            ended = not self._is_up
        self._through()
        return ended

    def _through(self) -> None:
        if not self._is_through.is_set():
            self._is_through.set()
            self._started(self._is_up)

    # Readiness

    async def _tell_readiness(self, scope: Scope, send: Send) -> None:
        if not self._is_up:
            await _answer(scope, send, 503, {"status": "starting"})
            return
        # who asks at the same time gets the same answer: probes cost calls
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(probe(self._services()))
        found = await asyncio.shield(self._probe)
        is_ready = set(found.values()) == {"ok"}
        await _answer(scope, send, 200 if is_ready else 503, {"status": "ready" if is_ready else "not ready", **found})


async def probe(services: "Services") -> dict[str, str]:
    """For database and storage `ok`, or why not in a sentence. One round trip to each."""
    database, storage = await asyncio.gather(
        _sentence(services.database.fetch("SELECT 1 AS one"), "The database"),
        _sentence(services.objects.probe(), "The object storage"),
    )
    return {"database": database, "storage": storage}


async def _sentence(call: Awaitable[Any], name: str) -> str:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await call
    except TimeoutError:
        return f"{name} did not answer within {PROBE_SECONDS:.0f} seconds."
    except KNOWN_FAULTS as error:
        return str(error)
    return "ok"


async def _refuse(scope: Scope, _: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1012})
    else:
        await _answer(scope, send, 503, {"detail": "The server could not start; its log says why."})


async def _answer(scope: Scope, send: Send, status: int, body: dict[str, str]) -> None:
    data = orjson.dumps(body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else data})
