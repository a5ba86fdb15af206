"""Runware's WebSocket: the key in the first frame, tasks side by side, answers in any order, nothing over REST."""

import asyncio
import json
import uuid
from typing import Any

from aiohttp import WSMsgType, web

from tests.simulators.runware import RunwareSimulator
from tests.simulators.simulator import Fault, Handler, Rejected, SeenRequest


class RunwareSocketSimulator(RunwareSimulator):
    """`GET /v1` as a WebSocket. A task's frame takes the next of `faults`, a question's of `free_faults`."""

    idle_seconds = 120.0

    def __init__(self) -> None:
        super().__init__()
        self.connections = 0
        self.pings = 0
        self.answers_pings = True
        self.repeats = 1
        """How often each answer is sent."""
        self.names_tasks = True
        """Whether an error says which task it is of."""
        self.silent_questions = 0
        """So many questions have no answer."""
        self._open_ones: set[web.WebSocketResponse] = set()
        self._frames: set[asyncio.Task[None]] = set()

    def paid_routes(self) -> dict[tuple[str, str], Handler]:
        return {}

    def free_routes(self) -> dict[tuple[str, str], Handler]:
        return {("GET", "/v1"): self.socket}

    def _free(self, handler: Handler) -> Handler:
        return handler  # the key comes in a frame, and faults hit frames

    async def drop_connections(self) -> None:
        """End them all, as a restart of the service would. From any thread's loop."""

        async def drop() -> None:
            for open_one in set(self._open_ones):
                _abort(open_one)

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(drop(), self._loop))

    async def socket(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(SeenRequest(request.method, request.path, dict(request.headers)))
        wire = web.WebSocketResponse(max_msg_size=256 * 2**20, receive_timeout=self.idle_seconds)
        await wire.prepare(request)
        self.connections += 1
        self._open_ones.add(wire)
        try:
            if await self._authenticated(wire):
                async for message in wire:
                    if message.type is WSMsgType.TEXT:
                        frame = asyncio.create_task(self._frame(wire, message.data))
                        self._frames.add(frame)
                        frame.add_done_callback(self._frames.discard)
        except TimeoutError:
            await wire.close()
        finally:
            self._open_ones.discard(wire)
        return wire

    async def _authenticated(self, wire: web.WebSocketResponse) -> bool:
        first = await wire.receive()
        tasks = json.loads(first.data) if first.type is WSMsgType.TEXT else None
        if not isinstance(tasks, list) or not tasks or tasks[0].get("taskType") != "authentication":
            await wire.close()
            return False
        if tasks[0].get("apiKey") == self.key and set(tasks[0]) == {"taskType", "apiKey"}:
            session = {"taskType": "authentication", "connectionSessionUUID": str(uuid.uuid4())}
            await wire.send_json({"data": [session]})
            return True
        error = {
            "code": "invalidApiKey",
            "message": f"Invalid API key: {tasks[0].get('apiKey')}",
            "parameter": "apiKey",
        }
        await wire.send_json({"errors": [{**error, "type": "string", "taskType": "authentication"}]})
        return False

    async def _frame(self, wire: web.WebSocketResponse, text: str) -> None:
        tasks = json.loads(text)
        for asked in tasks if isinstance(tasks, list) else [{}]:
            if asked == {"taskType": "ping", "ping": True}:
                self.pings += 1
                if self.answers_pings:
                    await wire.send_json({"data": [{"taskType": "ping", "pong": True}]})
                continue
            is_question = asked.get("taskType") == "getResponse"
            self.paid_requests += not is_question
            faults = self.free_faults if is_question else self.faults
            fault = faults.pop(0) if faults else None
            await asyncio.sleep((0 if is_question else self.latency) + (fault.seconds if fault else 0))
            await self._answer_with(wire, asked, fault, is_question)

    async def _answer_with(
        self, wire: web.WebSocketResponse, asked: dict[str, Any], fault: Fault | None, is_question: bool
    ) -> None:
        if fault and fault.kind == "cut before":
            return _abort(wire)
        if is_question and self.silent_questions:
            self.silent_questions -= 1
            return
        body = self._said(asked, fault)
        if fault and fault.kind in ("cut after", "truncate"):
            return _abort(wire)
        if wire.closed:
            return
        if fault and fault.kind == "garbage":
            return await wire.send_str('{"data": [{"b64')
        for _ in range(2 if fault and fault.kind == "twice" else self.repeats):
            await wire.send_json(body)

    def _said(self, asked: dict[str, Any], fault: Fault | None) -> Any:
        try:
            if fault and fault.kind == "trouble":
                answer = self.trouble(fault)
            elif asked.get("taskType") == "getResponse":
                answer = self._response(asked)
            else:
                answer = self._take(asked)
                if fault and fault.kind == "error after":  # no gateway speaks on an open connection
                    answer = self.trouble(Fault("trouble", "server error"))
            assert isinstance(answer.body, bytes)
            body = json.loads(answer.body)
        except Rejected as rejected:
            body = rejected.body
        if self.names_tasks:
            named = {"taskUUID": asked.get("taskUUID"), "taskType": asked.get("taskType")}
            body = {**body, **({"errors": [{**named, **e} for e in body["errors"]]} if "errors" in body else {})}
        return body


def _abort(wire: web.WebSocketResponse) -> None:
    request = wire._req
    if request is not None and request.transport is not None:
        request.transport.abort()
