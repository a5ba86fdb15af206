"""However many calls end at once: every answer is kept, few pictures are in memory, and a full disk loses nothing."""

import asyncio
import base64
import io
import os
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from PIL import Image

from invokeai.app.services.image_providers import result_pictures
from invokeai.app.services.image_providers.generation import ImageRequest
from invokeai.app.services.image_providers.http_answer import HttpAnswer, HttpCall
from invokeai.app.services.image_providers.http_provider import KEPT_AT_ONCE
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.openai_wire import OpenAiWireProvider
from invokeai.app.services.image_providers.picture_places import (
    IN_MEMORY_BYTES,
    PLACES,
    OpenFile,
    Place,
    WaitingBytes,
    working_in,
)
from invokeai.app.services.image_providers.pictures import make_pictures
from invokeai.app.services.image_providers.receipts import CallKey, Receipt, ReceiptStore
from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.app.services.image_providers.fake_providers import SLOW

CALLS = KEPT_AT_ONCE + 3 * PLACES
REQUEST = ImageRequest(prompt="a fox", model="wide/plain", width=256, height=256)


class WideImageService(OpenAiWireProvider):
    """Answers any number of calls at once, each with a picture that does not compress."""

    info: ClassVar[ProviderInfo] = ProviderInfo(
        provider_id="wide",
        display_name="Wide",
        description="For tests.",
        models=(SLOW,),
        default_model="plain",
        needs_key=False,
        max_concurrency=CALLS,
    )
    default_base_url = "http://127.0.0.1:9"

    def __init__(self) -> None:
        buffer = io.BytesIO()
        Image.frombytes("RGB", (256, 256), random.Random(1).randbytes(3 * 256**2)).save(buffer, "PNG")
        answer = {"data": [{"b64_json": base64.b64encode(buffer.getvalue()).decode()}]}
        super().__init__(transport=httpx.MockTransport(lambda request: httpx.Response(200, json=answer)))

    def call_for(self, request: ImageRequest, model: ImageModel, receipt: Receipt) -> HttpCall:
        return HttpCall("POST", "/images/generations", json={"prompt": request.prompt})


@pytest.fixture
def manager(any_database: Database, tmp_path: Path) -> ImageServiceManager:
    return ImageServiceManager([WideImageService()], ReceiptStore(any_database, DiskObjects(tmp_path)))


async def in_state(database: Database, state: str) -> int:
    return len(await database.fetch("SELECT 1 FROM generation_receipts WHERE state = ?", state))


async def test_all_answers_are_kept_while_few_pictures_are_in_memory(
    manager: ImageServiceManager, any_database: Database
) -> None:
    held: list[int] = []
    let_go = asyncio.Event()

    async def make(number: int) -> None:
        async for _ in make_pictures(manager, REQUEST, CallKey("session", str(number))):
            held.append(number)
            await let_go.wait()

    makers = [asyncio.create_task(make(number)) for number in range(CALLS)]
    async with asyncio.timeout(30):
        while await in_state(any_database, "answered") < CALLS or len(held) < PLACES:
            await asyncio.sleep(0.01)
    assert len(held) == PLACES
    let_go.set()
    await asyncio.gather(*makers)
    assert await in_state(any_database, "stored") == len(held) == CALLS


@pytest.mark.parametrize("bound", ["PIXELS_AT_ONCE", "LARGE_BYTES"])
async def test_one_large_picture_at_a_time_is_in_memory(
    manager: ImageServiceManager, any_database: Database, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(result_pictures, bound, 256 * 256 - 1)
    held = most = 0

    async def make(number: int) -> None:
        nonlocal held, most
        async for _ in make_pictures(manager, REQUEST, CallKey("session", str(number))):
            held += 1
            most = max(most, held)
            while await in_state(any_database, "answered") + await in_state(any_database, "stored") < 2 * PLACES:
                await asyncio.sleep(0)
            held -= 1

    async with asyncio.timeout(30):
        await asyncio.gather(*(make(number) for number in range(2 * PLACES)))
    assert most == 1 and await in_state(any_database, "stored") == 2 * PLACES


async def test_pictures_that_cannot_be_stored_make_room_for_others(
    manager: ImageServiceManager, any_database: Database
) -> None:
    async def make(number: int) -> None:
        async for _ in make_pictures(manager, REQUEST, CallKey("session", str(number))):
            raise OSError("the disk is gone")

    ends = await asyncio.wait_for(
        asyncio.gather(*(make(number) for number in range(3 * PLACES)), return_exceptions=True), 30
    )
    assert all(isinstance(end, OSError) for end in ends)
    assert await in_state(any_database, "answered") == len(ends)


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [None, IN_MEMORY_BYTES + 1000, 0])
def test_an_answer_is_whole_whatever_room_the_disk_has(room: int | None) -> None:
    parts = [bytes([number]) * (IN_MEMORY_BYTES // 3) for number in range(20)]
    body = WaitingBytes()
    with files_up_to(room if room is not None else resource.RLIM_INFINITY):
        for part in parts:
            body.add(part)
    assert body.size == 20 * (IN_MEMORY_BYTES // 3)
    answer = HttpAnswer(200, {"x-request-id": "1"}, body)
    assert answer.body == answer.body == b"".join(parts)
    assert HttpAnswer.unpack(answer.pack()) == HttpAnswer(200, {"x-request-id": "1"}, b"".join(parts))


async def kept_by(store: ReceiptStore, open_file: OpenFile) -> tuple[WaitingBytes, HttpAnswer]:
    head = HttpAnswer(200, {"x-request-id": "1"}, b"").pack()
    with working_in(Place(asyncio.Semaphore(1), open_file)):
        body = WaitingBytes(head)
    for number in range(20):
        body.add(bytes([number]) * (IN_MEMORY_BYTES // 3))
    answer = HttpAnswer(200, {"x-request-id": "1"}, body)
    reference = await store.keep("one", answer.packed())
    kept = await store.read(reference)
    assert kept is not None
    return body, HttpAnswer.unpack(kept)


async def test_the_file_of_an_answer_becomes_the_kept_one_without_a_copy(
    any_database: Database, tmp_path: Path
) -> None:
    objects = tmp_path / "objects"
    store = ReceiptStore(any_database, DiskObjects(objects))
    body, kept = await kept_by(store, store.open_file)
    assert kept == HttpAnswer(200, {"x-request-id": "1"}, body.read())
    file = body.file()
    assert file is not None
    assert [path.stat().st_ino for path in objects.rglob("*") if path.is_file()] == [os.fstat(file.fileno()).st_ino]
    assert b"\0\1" in body
    assert b"\1\0" not in body


async def test_an_answer_on_another_disk_is_kept_by_a_copy(any_database: Database, tmp_path: Path) -> None:
    other = Path("/dev/shm")
    assert other.stat().st_dev != tmp_path.stat().st_dev, "both folders lie on one disk"
    objects = tmp_path / "objects"
    store = ReceiptStore(any_database, DiskObjects(objects))
    body, kept = await kept_by(store, DiskObjects(other).open_unnamed)
    assert kept == HttpAnswer(200, {"x-request-id": "1"}, body.read())
    assert len([path for path in objects.rglob("*") if path.is_file()]) == 1
