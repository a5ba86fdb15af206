"""The studio with its records in D1 and its files in a bucket: nothing durable lies on its own disk."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.image_providers.credentials import ProviderCredentialsStore
from invokeai.app.services.shared.database.d1 import D1Database
from invokeai.app.services.shared.database.d1_client import D1Settings
from invokeai.app.services.shared.errors import NotAvailableHere
from invokeai.app.services.shared.objects.s3_objects import S3Objects, S3Settings
from tests.cloud.d1_gateway import D1Gateway
from tests.cloud.fault_proxy import FaultProxy
from tests.cloud.s3_server import S3Server
from tests.cloud.server_settings import cloud_settings
from tests.studio_process import StudioProcess

NOT_DURABLE = {"cache", "tensors"}
"""Folders that may be emptied at any time."""


class CloudStudio:
    """One studio on one database and one bucket."""

    def __init__(self, folder: Path, d1: D1Settings, s3: S3Settings, endpoint: str | None = None) -> None:
        self.d1, self.s3 = d1, s3
        self.process = StudioProcess(folder / "root", settings=cloud_settings(d1, s3, endpoint))

    def fetch(self, path: str) -> bytes:
        with urllib.request.urlopen(self.process.base_url + path, timeout=60) as answer:
            content: bytes = answer.read()
            return content

    def call(self, path: str, body: Any = None, method: str | None = None) -> Any:
        request = urllib.request.Request(
            self.process.base_url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def generate(self, count: int, first: int = 0) -> None:
        """Enqueue pictures; the same number is the same picture, which the node cache may hold."""
        model = self.call("/api/v2/models/i/sketch-flow")
        node = {"id": "n", "type": "third_party_image_generation", "model": model, "width": 64, "height": 64}
        prompts = [
            {"node_path": "n", "field_name": "prompt", "items": [f"a red sea {n}" for n in range(first, first + count)]}
        ]
        batch = {"graph": {"id": "g", "nodes": {"n": node}, "edges": []}, "runs": 1, "data": [prompts]}
        assert self.call("/api/v1/queue/default/enqueue_batch", {"batch": batch})["enqueued"] == count

    def wait_until_idle(self, seconds: float = 60) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while True:
            status: dict[str, Any] = self.call("/api/v1/queue/default/status")["queue"]
            if not status["pending"] + status["in_progress"] or time.monotonic() > end:
                return status
            time.sleep(0.1)

    def pictures(self) -> list[str]:
        answer = self.call("/api/v1/gallery/item_names?board_id=none&is_intermediate=false&categories=general")
        return list(answer["item_names"])


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    proxy = FaultProxy(s3_server.endpoint)
    yield proxy
    proxy.stop()


@pytest.fixture
def cloud(tmp_path: Path, d1_gateway: D1Gateway, s3_server: S3Server, proxy: FaultProxy) -> Iterator[CloudStudio]:
    studio = CloudStudio(tmp_path, d1_gateway.new_database(), s3_server.new_bucket(), proxy.base_url)
    studio.process.start()
    yield studio
    studio.process.stop()


async def bucket_keys(s3: S3Settings) -> list[str]:
    objects = S3Objects(s3)
    keys = [entry.key async for entry in objects.entries("")]
    await objects.close()
    return keys


def test_a_studio_without_a_disk_keeps_everything(cloud: CloudStudio) -> None:
    cloud.generate(4)
    assert cloud.wait_until_idle()["completed"] == 4
    names = cloud.pictures()
    assert len(names) == 4
    board = cloud.call("/api/v1/boards/?board_name=Kept", {}, "POST")
    cloud.call("/api/v1/board_images/batch", {"board_id": board["board_id"], "image_names": names[:2]})
    cloud.call("/api/v1/images/star", {"image_names": names[:1]})
    zipped = cloud.call("/api/v1/images/download", {"image_names": names})["bulk_download_item_name"]
    cloud.process.kill()
    left = [path for path in cloud.process.root.rglob("*") if path.is_file()]
    assert [path for path in left if not NOT_DURABLE & set(path.parts)] == []
    cloud.process.start()
    assert len(cloud.pictures()) == 2
    assert cloud.call(f"/api/v1/boards/{board['board_id']}")["image_count"] == 2
    assert cloud.call(f"/api/v1/images/i/{names[0]}")["starred"] is True
    for name in names:
        assert cloud.fetch(f"/api/v1/images/i/{name}/full").startswith(b"\x89PNG")
        assert cloud.fetch(f"/api/v1/images/i/{name}/thumbnail")[8:12] == b"WEBP"
    if f"downloads/{zipped}" in asyncio.run(bucket_keys(cloud.s3)):  # the kill may have come first
        assert cloud.fetch(f"/api/v1/images/download/{zipped}").startswith(b"PK")
    cloud.call("/api/v1/images/delete", {"image_names": names})
    keys = asyncio.run(bucket_keys(cloud.s3))
    assert [key for key in keys if key.startswith(("images/", "thumbnails/"))] == []


def test_browsers_may_fetch_files_from_the_bucket_itself(
    tmp_path: Path, d1_gateway: D1Gateway, s3_server: S3Server
) -> None:
    studio = CloudStudio(tmp_path, d1_gateway.new_database(), s3_server.new_bucket())
    studio.process = StudioProcess(
        tmp_path / "root", settings=cloud_settings(studio.d1, studio.s3) | {"INVOKEAI_R2_URL_SECONDS": "60"}
    )
    studio.process.start()
    try:
        studio.generate(1)
        assert studio.wait_until_idle()["completed"] == 1
        for kind, head in (("full", b"\x89PNG"), ("thumbnail", b"RIFF")):
            address = f"{studio.process.base_url}/api/v1/images/i/{studio.pictures()[0]}/{kind}"
            with urllib.request.urlopen(address) as answer:
                assert answer.url.startswith(str(studio.s3.endpoint))
                assert answer.read().startswith(head)
    finally:
        studio.process.stop()


def test_a_key_typed_in_is_refused_where_it_could_not_be_kept(tmp_path: Path) -> None:
    credentials = ProviderCredentialsStore(AppConfig(root=tmp_path, image_storage="r2"))
    with pytest.raises(NotAvailableHere, match="OPENAI_API_KEY"):
        credentials.save("openai", {"api_key": "typed"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.scaled
def test_a_bucket_that_is_away_for_a_while_loses_nothing(
    cloud: CloudStudio, proxy: FaultProxy, request: pytest.FixtureRequest
) -> None:
    seconds: float = request.config.getoption("--outage-seconds")
    cloud.generate(1)
    cloud.wait_until_idle()
    proxy.down_after = len(proxy.requests) + 20
    cloud.generate(29, first=1)
    while not proxy.down:
        time.sleep(0.05)
    end = time.monotonic() + seconds
    with pytest.raises(urllib.error.HTTPError) as refused:
        cloud.fetch(f"/api/v1/images/i/{cloud.pictures()[0]}/full")
    assert refused.value.code == 503
    assert "object store" in json.load(refused.value)["detail"]
    before = cloud.pictures()
    assert len(before) < 30
    time.sleep(max(0, end - time.monotonic()))
    assert cloud.pictures() == before, "pictures were told of while the store was away"
    proxy.down = False
    status = cloud.wait_until_idle(120)
    assert (status["completed"], status["failed"]) == (30, 0)
    names = cloud.pictures()
    assert len(names) == len(set(names)) == 30
    stored = [key for key in asyncio.run(bucket_keys(cloud.s3)) if key.startswith("images/")]
    assert sorted(stored) == sorted(f"images/{name}" for name in names)


TALLY_PACK = '''
import os

from invokeai.invocation_api import BaseInvocation, IntegerOutput, InvocationContext, invocation


@invocation("tally", version="1.0.0", use_cache=False)
class Tally(BaseInvocation):
    """Writes a line for each time it runs."""

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        with open(os.environ["TALLY"], "a") as lines:
            lines.write(context.session_id + chr(10))
        return IntegerOutput(value=1)
'''


def test_four_servers_share_a_queue_and_run_each_item_once(
    tmp_path: Path, d1_gateway: D1Gateway, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = tmp_path / "tally"
    monkeypatch.setenv("TALLY", str(tally))
    d1, s3 = d1_gateway.new_database(), s3_server.new_bucket()
    studios = [CloudStudio(tmp_path / str(number), d1, s3) for number in range(4)]
    try:
        for studio in studios:
            pack = studio.process.root / "nodes" / "tally_pack"
            pack.mkdir(parents=True)
            (pack / "__init__.py").write_text(TALLY_PACK)
            studio.process.start()
        graph = {"id": "g", "nodes": {"t": {"id": "t", "type": "tally"}}, "edges": []}
        enqueued = studios[0].call("/api/v1/queue/default/enqueue_batch", {"batch": {"graph": graph, "runs": 500}})
        assert enqueued["enqueued"] == 500
        assert studios[3].wait_until_idle(150)["completed"] == 500
        sessions = tally.read_text().split()
        assert len(sessions) == len(set(sessions)) == 500
        assert asyncio.run(items_held(d1)) == 0
    finally:
        for studio in studios:
            studio.process.stop()


async def items_held(d1: D1Settings) -> int:
    """How many items a worker still holds."""
    database = D1Database(d1)
    rows = await database.fetch("SELECT count(*) AS held FROM session_queue WHERE worker_id IS NOT NULL")
    await database.close()
    return int(str(rows[0]["held"]))
