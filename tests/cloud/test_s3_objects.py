"""The bucket client on a real S3 server: conditions, pages, presigned addresses, faults, wrong settings."""

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from invokeai.app.services.shared.errors import Conflict, NotFound, Unavailable
from invokeai.app.services.shared.objects.s3_objects import BucketRefused, S3Objects, S3Settings
from invokeai.app.services.shared.patience import until_available
from tests.cloud.fault_proxy import Fault, FaultProxy
from tests.cloud.s3_server import SECRET_KEY, S3Server, refuse_what_r2_lacks


@pytest.fixture
async def objects(s3_server: S3Server) -> AsyncIterator[S3Objects]:
    objects = refuse_what_r2_lacks(S3Objects(s3_server.new_bucket()))
    yield objects
    await objects.close()


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    proxy = FaultProxy(s3_server.endpoint)
    yield proxy
    proxy.stop()


async def test_of_racing_writers_of_a_new_key_one_wins(objects: S3Objects) -> None:
    writes = (objects.put("key", f"{n}".encode(), "text/plain", if_absent=True) for n in range(8))
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7


async def test_listing_and_deleting_go_by_pages(objects: S3Objects) -> None:
    keys = [f"many/{number:04}" for number in range(1105)]
    for first in range(0, len(keys), 100):
        await asyncio.gather(*(objects.put(key, b"x", "text/plain") for key in keys[first : first + 100]))
    assert [entry.key async for entry in objects.entries("many/")] == keys
    await objects.delete(keys)
    assert [entry.key async for entry in objects.entries("many/")] == []


async def test_presigned_addresses_open_one_object_for_a_time(objects: S3Objects) -> None:
    await objects.put("pictures/a.png", b"bytes", "image/png")
    url = objects.presigned_url("pictures/a.png", 60)
    answer = await asyncio.to_thread(urlopen, url)
    assert (answer.read(), answer.headers["content-type"]) == (b"bytes", "image/png")
    assert SECRET_KEY not in url
    with pytest.raises(HTTPError, match="403"):
        await asyncio.to_thread(urlopen, url.replace("a.png", "b.png"))


@pytest.mark.parametrize(
    "change, setting",
    [
        ({"bucket": "no-such-bucket"}, "r2_bucket"),
        ({"secret_access_key": "wrong-secret"}, "r2_secret_access_key"),
        ({"access_key_id": "wrong-id"}, "r2_access_key_id"),
        ({"endpoint": "http://127.0.0.1:9"}, "r2_endpoint"),
        ({"endpoint": "no address"}, "r2_endpoint"),
    ],
)
async def test_wrong_settings_are_named(s3_server: S3Server, change: dict[str, str], setting: str) -> None:
    settings = replace(s3_server.new_bucket(), **change)  # type: ignore[arg-type]
    objects = S3Objects(settings)
    with pytest.raises(BucketRefused, match=setting) as caught:
        await objects.check()
    assert settings.secret_access_key not in str(caught.value)
    await objects.close()


async def through(proxy: FaultProxy, settings: S3Settings) -> S3Objects:
    return S3Objects(replace(settings, endpoint=proxy.base_url, timeout_seconds=1.0))


async def test_short_faults_are_ridden_out(s3_server: S3Server, proxy: FaultProxy) -> None:
    objects = await through(proxy, s3_server.new_bucket())
    proxy.faults = [Fault("reset before"), Fault("answer", 503)]
    assert await objects.put("a", b"1", "text/plain")
    proxy.faults = [Fault("reset after")]
    assert await objects.put("b", b"22", "text/plain")
    proxy.faults = [Fault("truncate")]
    with pytest.raises(Unavailable):
        await objects.get("b")
    assert (await objects.get("b")).data == b"22"
    await objects.close()


async def test_an_open_file_is_stored_block_by_block(objects: S3Objects) -> None:
    content = os.urandom(24 * 1024 * 1024)
    await objects.probe()  # what the first call imports is not counted
    with objects.open_unnamed() as file:
        file.write(content)
        tracemalloc.start()
        try:
            await objects.put_open("receipts/large", file, "application/octet-stream")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        file.seek(0)
        assert file.read() == content, "it stays open"
    assert peak < 4 * 1024 * 1024
    assert (await objects.get("receipts/large")).data == content


async def test_an_open_file_is_stored_whole_however_often_it_is_tried(s3_server: S3Server, proxy: FaultProxy) -> None:
    objects = await through(proxy, s3_server.new_bucket())
    content = os.urandom(300_000)
    proxy.faults = [Fault("reset before"), Fault("answer", 503), Fault("reset before"), Fault("answer after", 503)]
    with objects.open_unnamed() as file:
        file.write(content)
        await until_available(lambda: objects.put_open("receipts/a", file, "application/octet-stream"))
    assert not proxy.faults and len(proxy.requests) == 5
    assert (await objects.get("receipts/a")).data == content
    await objects.close()


async def test_a_store_that_is_down_says_so(s3_server: S3Server, proxy: FaultProxy) -> None:
    objects = await through(proxy, s3_server.new_bucket())
    proxy.down = True
    with pytest.raises(Unavailable, match="does not answer"):
        await objects.put("a", b"1", "text/plain")
    proxy.down = False
    with pytest.raises(NotFound):
        await objects.get("a")
    await objects.close()
