"""Parameters that a program hands to the open UI."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invokeai.app.api.routers.recall_parameters import recall_parameters_router
from invokeai.app.services.client_state.client_state import ClientStateService
from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.image_records.image_record_store import ImageRecordStore
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.recall.recall_parameters import RecallService
from tests.app.api.library_api import LibraryApi, library_api

RECALL = "/v1/recall/default"


def _images(made: Any) -> ImageService:
    files = DiskImageFileStorage(made.config.root / "images")
    return ImageService(files, ImageRecordStore(made.database), 1_000_000)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    async with library_api(
        tmp_path,
        [recall_parameters_router],
        images=_images,
        recall=lambda made: RecallService(ClientStateService(made.database), made.events, made.images),
    ) as studio:
        yield studio
        studio.services.images.close()


async def test_parameters_reach_the_ui_without_local_models(api: LibraryApi) -> None:
    given = {"positive_prompt": "recalled prompt", "width": 768, "height": 512, "steps": 12, "model": "SDXL"}
    told = {name: value for name, value in given.items() if name != "model"}
    answer = await api.json("POST", RECALL, json=given)
    assert answer == {"status": "success", "queue_id": "default", "updated_count": 5, "parameters": told}
    (event,) = api.published
    assert event.event_name == "recall_parameters_updated"
    assert event.model_dump(exclude={"timestamp"}) == {"queue_id": "default", "user_id": "system", "parameters": told}
    assert (await api.json("GET", RECALL))["parameters"] == told


async def test_strict_clears_what_is_left_out(api: LibraryApi) -> None:
    told = (await api.json("POST", f"{RECALL}?strict=true", json={"seed": 5}))["parameters"]
    assert (told["seed"], told["positive_prompt"], told["loras"]) == (5, None, [])


async def test_reference_pictures_must_exist(api: LibraryApi) -> None:
    stored = await api.services.images.create(
        Image.new("RGB", (16, 8)), image_origin=ResourceOrigin.INTERNAL, image_category=ImageCategory.GENERAL
    )
    pictures = [{"image_name": stored.image_name}, {"image_name": "gone.png"}]
    told = (await api.json("POST", RECALL, json={"reference_images": pictures}))["parameters"]
    size = {"image_name": stored.image_name, "width": 16, "height": 8}
    assert told == {"reference_images": [{"image_name": stored.image_name, "image": size}]}


@pytest.mark.parametrize(
    "body",
    [
        {"unknown": 1},
        {"steps": 0},
        {"width": 1},
        {"denoise_strength": 2},
        {"loras": [{}]},
        {"seed": -1},
        {"seed": 2**64},
    ],
)
async def test_bad_parameters_are_refused_and_not_told(api: LibraryApi, body: dict[str, Any]) -> None:
    await api.refusal("POST", RECALL, 422, json=body)
    assert "not both" in await api.refusal("POST", f"{RECALL}?strict=true&append=true", 422, json={"steps": 5})
    assert api.published == []
    assert (await api.json("GET", RECALL))["parameters"] == {}
