"""Runware's WebSocket as a way to send: many tasks over one connection, every answer matched by the id of its task.

What was written before a connection broke is lost as over HTTP, and asked for over the next one. A connection is opened
when it is needed and let go when nobody waits, so an idle server is silent. Source of the format: Runware's
documentation (how to connect), a copy of October 2025, and its official SDK.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from invokeai.app.services.image_providers.http_answer import AnswerLost, HttpAnswer, NotSent, json_in
from invokeai.app.services.image_providers.trusted_roots import trusted_roots

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

Item = dict[str, Any]

OPEN_SECONDS = 10.0
PING_SECONDS = 30.0
"""Of silence; the service closes after 120."""
QUESTION_SECONDS = 30.0
"""A question costs nothing, so one whose answer went astray is asked again soon."""
MAX_FRAME_BYTES = 4 * 1024 * 1024
"""Pictures come as addresses."""
PING = json.dumps([{"taskType": "ping", "ping": True}])
frames = logging.getLogger(f"{__name__}.frames")
frames.setLevel(logging.WARNING)  # the library would write every frame, and the first has the key in it

STATUSES = (
    (401, ("invalidapikey", "unauthorized", "forbidden", "permissiondenied", "authtimeout", "suspended")),
    (402, ("insufficient", "credits", "balance", "quota", "paymentrequired")),
    (429, ("ratelimit",)),
    (500, ("internalserver", "serviceunavailable", "standarderror", "unknownerror", "timeout")),
)
"""What REST says by status and the socket by the code alone."""
CERTAINLY_NOT_TAKEN = ("missing", "invalid", "unsupported", "value", "max", "unknownmodel", "conflict", "taskfailedor")


class RunwareSocket:
    """One connection for each key, shared by all calls with it."""

    def __init__(self, ping_seconds: float = PING_SECONDS) -> None:
        self._lines: dict[tuple[str, str], _Line] = {}
        self._opening = asyncio.Lock()
        self._ping_seconds = ping_seconds

    async def exchange(self, url: str, key: str, task: Item, seconds: float) -> HttpAnswer:
        """Write one task, once; the first that is said of it.

        Raises:
            NotSent, AnswerLost: nothing was.
        """
        async with self._opening:
            line = self._lines.get((url, key))
            if line is None or line.is_over:
                opened = await self._open(url, key)
                if isinstance(opened, HttpAnswer):
                    return opened
                self._lines[url, key] = line = opened
        asked = task["taskType"] == "getResponse"
        try:
            async with asyncio.timeout(min(seconds, QUESTION_SECONDS) if asked else seconds):
                said = await line.ask(task)
        except TimeoutError:
            raise AnswerLost("too slow") from None
        return _answer(said, key, asked=asked)

    async def aclose(self) -> None:
        """Close the connections."""
        lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            await line.aclose()

    async def _open(self, url: str, key: str) -> _Line | HttpAnswer:
        """A line that the key was accepted on, or what was said instead."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        roots = trusted_roots() if url.startswith("wss:") else None
        connection = None
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                connection = await connect(
                    url, logger=frames, compression=None, ping_interval=None, max_size=MAX_FRAME_BYTES, close_timeout=1,
                    proxy=None, ssl=roots,
                )  # fmt: skip
                await connection.send(json.dumps([{"taskType": "authentication", "apiKey": key}]))
                said = _values(await connection.recv())
        except (OSError, WebSocketException, ValueError) as error:
            if connection is not None:
                await connection.close()
            raise NotSent(type(error).__name__) from None
        if said.get("errors"):
            await connection.close()
            return _answer(said, key, asked=False)
        return _Line(connection, self._ping_seconds)


class _Line:
    """An open connection and who waits on it."""

    def __init__(self, connection: ClientConnection, ping_seconds: float) -> None:
        self._connection = connection
        self._waiting: dict[str, list[asyncio.Future[Item]]] = {}
        self._ping_seconds = ping_seconds
        self.is_over = False
        self._reader = asyncio.create_task(self._read())

    async def ask(self, task: Item) -> Item:
        """Write the task; the first `data` and `errors` that name it.

        Raises:
            AnswerLost: the connection broke, or nobody can tell what was said of it.
        """
        from websockets.exceptions import ConnectionClosed

        task_id = str(task["taskUUID"])
        answer: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(task_id, [])
        waiting.append(answer)
        try:
            await self._connection.send(json.dumps([task]))
            return await answer
        except ConnectionClosed:
            raise AnswerLost("the connection broke") from None
        finally:
            waiting.remove(answer)
            if not waiting and self._waiting.get(task_id) is waiting:
                del self._waiting[task_id]
            if answer.done() and not answer.cancelled():
                answer.exception()  # of one whose sending failed as well, nobody asks

    async def aclose(self) -> None:
        """End it; who waits has lost their answer."""
        self._end()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._connection.close()

    async def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed

        pinged = False
        try:
            while True:
                try:
                    async with asyncio.timeout(self._ping_seconds):
                        text = await self._connection.recv()
                except TimeoutError:
                    if pinged or not self._waiting:  # it is dead, or nobody needs it
                        break
                    pinged = True
                    await self._connection.send(PING)
                    continue
                pinged = False
                self._deliver(_values(text))
        except (ConnectionClosed, ValueError):
            pass
        finally:
            self._end()
        await self._connection.close()

    def _deliver(self, said: Item) -> None:
        """Each task's part to who waits for it. What names no task is for the only one there, else for none."""
        parts: dict[str, Item] = {}
        for kind in ("data", "errors"):
            for item in said[kind]:
                task_id = str(item.get("taskUUID") or "")
                if not task_id and kind == "errors":
                    if len(self._waiting) > 1:
                        self._lose("it does not say which task failed")
                        return
                    task_id = next(iter(self._waiting), "")
                parts.setdefault(task_id, {"data": [], "errors": []})[kind].append(item)
        for task_id, part in parts.items():
            for answer in self._waiting.get(task_id, ()):
                if not answer.done():
                    answer.set_result(part)

    def _end(self) -> None:
        self.is_over = True
        self._lose("the connection broke")

    def _lose(self, why: str) -> None:
        for answer in [answer for waiting in self._waiting.values() for answer in waiting]:
            if not answer.done():
                answer.set_exception(AnswerLost(why))


def _values(text: str | bytes) -> Item:
    """`data` and `errors` of a frame, both as lists.

    Raises:
        ValueError: it is no such frame.
    """
    values = json_in(text)
    if not isinstance(values, Mapping):
        raise ValueError("not an object")
    lists = {}
    for kind in ("data", "errors"):
        given = values.get(kind) or []
        lists[kind] = [item for item in (given if isinstance(given, list) else [given]) if isinstance(item, dict)]
    return lists


def _answer(said: Item, key: str, *, asked: bool) -> HttpAnswer:
    """As REST would have said it."""
    text = json.dumps({name: items for name, items in said.items() if items})
    status = 200 if said["data"] or not said["errors"] else _status(said["errors"][0], asked)
    return HttpAnswer(status, {}, text.replace(key, "[key]").encode())


def _status(error: Item, asked: bool) -> int:
    """Of an error that came alone; one that nobody knows counts as perhaps billed, unless a question was answered."""
    code = str(error.get("code") or "").lower()
    if asked and error.get("status") == "error":
        return 200  # how the task ended
    for status, parts in STATUSES:
        if any(part in code for part in parts):
            return status
    if asked or code.startswith(CERTAINLY_NOT_TAKEN) or code.endswith("notfound"):
        return 400
    return 500
