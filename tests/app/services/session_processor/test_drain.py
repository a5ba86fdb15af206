"""SIGTERM: what runs may end, what does not end in time is handed back, and the next start goes on with it."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.services.session_processor.studio_calls import call, completed, wait_for
from tests.studio_process import StudioProcess

NODE_PACK = '''
import asyncio

from invokeai.invocation_api import AsyncInvocationContext, BaseInvocation, InputField, IntegerOutput, invocation


@invocation("nap", version="1.0.0", use_cache=False)
class Nap(BaseInvocation):
    """Waits."""

    seconds: float = InputField(default=0)

    async def invoke(self, context: AsyncInvocationContext) -> IntegerOutput:
        await asyncio.sleep(self.seconds)
        return IntegerOutput(value=1)
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    pack = tmp_path / "root" / "nodes" / "nap_pack"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text(NODE_PACK)
    return tmp_path / "root"


def enqueue(studio: StudioProcess, *seconds: float) -> None:
    naps = [{"node_path": "n", "field_name": "seconds", "items": list(seconds)}]
    graph = {"id": "g", "nodes": {"n": {"id": "n", "type": "nap"}}, "edges": []}
    call(studio, "/api/v1/queue/default/enqueue_batch", {"batch": {"graph": graph, "runs": 1, "data": [naps]}})
    while call(studio, "/api/v1/queue/default/status")["queue"]["in_progress"] < len(seconds):
        time.sleep(0.01)


def rows(root: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(root / "databases" / "invokeai.db") as database:
        return database.execute("SELECT status, worker_id, attempts FROM session_queue ORDER BY item_id").fetchall()


def test_sigterm_lets_running_items_end_and_hands_back_the_rest(root: Path) -> None:
    studio = StudioProcess(root, settings={"INVOKEAI_DRAIN_SECONDS": "2"}).start()
    enqueue(studio, 1.0, 600.0)
    assert studio.stop() == 0, studio.log_text()
    assert rows(root) == [("completed", None, 1), ("pending", None, 0)]
    with sqlite3.connect(root / "databases" / "invokeai.db") as database:
        values = '[{"node_path": "n", "field_name": "seconds", "value": 0}]'
        database.execute("UPDATE session_queue SET field_values = ?", (values,))
    studio.start()
    try:
        wait_for(studio, 2)
        assert completed(studio) == 2
    finally:
        studio.stop()


@pytest.fixture
def ending(root: Path) -> Iterator[StudioProcess]:
    """A server that got SIGTERM while an item runs."""
    studio = StudioProcess(root, settings={"INVOKEAI_DRAIN_SECONDS": "60"}).start()
    enqueue(studio, 1.5)
    os.kill(studio.pid, signal.SIGTERM)
    while "Stopping" not in studio.log_text():
        time.sleep(0.01)
    yield studio
    if studio.is_running():
        studio.kill()


def test_a_second_sigterm_cuts_nothing_short(root: Path, ending: StudioProcess) -> None:
    assert ending.stop() == 0, ending.log_text()
    assert rows(root) == [("completed", None, 1)]


def test_a_second_sigint_ends_at_once(root: Path, ending: StudioProcess) -> None:
    os.kill(ending.pid, signal.SIGINT)
    assert ending.wait() == -signal.SIGINT
    assert rows(root)[0][0] == "in_progress"


def test_an_open_event_channel_does_not_hold_up_the_end(root: Path) -> None:
    import asyncio

    import socketio

    studio = StudioProcess(root).start()

    async def stop_while_connected() -> int:
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(studio.base_url, socketio_path="/ws/socket.io")
        await client.call("subscribe_queue", {"queue_id": "default"})
        code = await asyncio.to_thread(studio.stop)
        await client.disconnect()
        return code

    assert asyncio.run(stop_while_connected()) == 0, studio.log_text()
    assert "Traceback" not in studio.log_text()
