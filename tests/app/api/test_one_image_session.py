"""The whole chain on the real services: a graph goes in, a picture of Sketch comes out, within its round trips."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from invokeai.app.api import dependencies
from invokeai.app.api.dependencies import ApiDependencies
from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.services import Services
from invokeai.app.services.session_queue.queue_models import Batch
from tests.app.invocations.test_third_party_image_generation import a_node, ui_batch
from tests.app.services.shared.database.counting_database import CountingDatabase
from tests.storage_engines import empty_database

ROUND_TRIPS = 8


@pytest.fixture
async def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    database = CountingDatabase(empty_database(tmp_path / "studio.db"))
    monkeypatch.setattr(dependencies, "record_database", lambda _: database)
    services = await ApiDependencies.initialize(AppConfig(root=tmp_path))
    yield services
    await ApiDependencies.shutdown(services)


async def run(services: Services) -> None:
    done = asyncio.Event()

    def watch(event: object) -> None:
        if getattr(event, "status", "") in ("completed", "failed", "canceled"):
            done.set()

    services.events.subscribe(watch)
    await services.session_queue.enqueue("default", Batch.model_validate(ui_batch(a_node())), False)
    await asyncio.wait_for(done.wait(), 20)


async def test_a_one_image_session_makes_its_picture_in_eight_round_trips(services: Services) -> None:
    database = services.database
    assert isinstance(database, CountingDatabase)
    await run(services)  # the first run also reads what is then kept
    with database.counted() as trips:
        await run(services)
    assert trips.count <= ROUND_TRIPS, trips.statements
    assert len(await database.fetch("SELECT * FROM images")) == 2


async def test_the_stored_file_carries_the_metadata_and_the_graph(services: Services) -> None:
    await run(services)
    (row,) = await services.database.fetch("SELECT image_name FROM images")
    picture = Image.open(io.BytesIO(await services.images.get_bytes(str(row["image_name"]))))
    assert isinstance(picture.info, dict) and picture.size == (96, 64)
    metadata = json.loads(picture.info["invokeai_metadata"])
    assert metadata["external_provider"] == "sketch" and metadata["cost"]["kind"] == "computed"
    assert "canvas_output:1" in json.loads(picture.info["invokeai_graph"])["nodes"]
