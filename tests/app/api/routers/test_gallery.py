"""Galleries and days over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.api.routers.gallery import gallery_router
from invokeai.app.api.routers.virtual_boards import virtual_boards_router
from invokeai.app.services.gallery.gallery import GalleryService
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.image_records.image_record_store import ImageRecordStore, NewImage
from tests.app.api.library_api import LibraryApi, library_api

NAMES = "/v1/gallery/item_names"
PICTURES: list[tuple[str, str, ImageCategory, dict[str, Any]]] = [
    ("old.png", "2026-01-01 10:00:00.000", ImageCategory.GENERAL, {"metadata": '{"prompt": "A Lighthouse"}'}),
    ("new.png", "2026-01-02 10:00:00.000", ImageCategory.GENERAL, {}),
    ("mask.png", "2026-01-02 11:00:00.000", ImageCategory.MASK, {"image_origin": ResourceOrigin.EXTERNAL}),
    ("step.png", "2026-01-02 12:00:00.000", ImageCategory.GENERAL, {"is_intermediate": True}),
    ("on-board.png", "2026-01-03 00:00:00.000", ImageCategory.GENERAL, {"board_id": "trees"}),
]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    async with library_api(
        tmp_path,
        [gallery_router, virtual_boards_router],
        gallery=lambda made: GalleryService(ImageRecordStore(made.database)),
    ) as studio:
        await studio.database.execute(
            "INSERT INTO boards (board_id, board_name, created_at, updated_at) VALUES ('trees', 'Trees', '', '')"
        )
        store = ImageRecordStore(studio.database)
        for name, moment, category, more in PICTURES:
            values: dict[str, Any] = {"image_origin": ResourceOrigin.INTERNAL, **more}
            await store.insert(
                NewImage(image_name=name, image_category=category, width=64, height=32, created_at=moment, **values)
            )
        yield studio


async def names(api: LibraryApi, query: str) -> list[str]:
    found: list[str] = (await api.json("GET", f"{NAMES}?{query}"))["item_names"]
    return found


async def test_the_list_that_the_ui_asks_for(api: LibraryApi) -> None:
    with api.database.counted() as trips:
        answer = await api.json(
            "GET",
            f"{NAMES}?board_id=none&categories=general&is_intermediate=false&order_dir=DESC&search_term="
            "&starred_first=true",
        )
    assert trips.count == 1
    assert answer == {"item_names": ["new.png", "old.png"], "starred_count": 0, "total_count": 2}


async def test_starred_pictures_come_first(api: LibraryApi) -> None:
    await ImageRecordStore(api.database).set_starred(["old.png"], True)
    answer = await api.json("GET", f"{NAMES}?board_id=none&categories=general&is_intermediate=false")
    assert (answer["item_names"], answer["starred_count"]) == (["old.png", "new.png"], 1)
    assert await names(api, "board_id=none&categories=general&is_intermediate=false&starred_first=false") == [
        "new.png",
        "old.png",
    ]


async def test_filters(api: LibraryApi) -> None:
    assert await names(api, "board_id=trees") == ["on-board.png"]
    assert await names(api, "board_id=nowhere") == []
    assets = "categories=control&categories=mask&categories=user&categories=other"
    assert await names(api, f"board_id=none&{assets}&is_intermediate=false") == ["mask.png"]
    assert await names(api, "is_intermediate=true") == ["step.png"]
    assert await names(api, "search_term=lighthouse") == ["old.png"]
    assert await names(api, "search_term=%25") == []
    assert await names(api, "origin=external") == ["mask.png"]
    assert await names(api, "created_date=2026-01-02&is_intermediate=false&order_dir=ASC") == ["new.png", "mask.png"]


async def test_items_with_a_slice(api: LibraryApi) -> None:
    page = await api.json("GET", "/v1/gallery/items/?offset=1&limit=2&is_intermediate=false")
    assert (page["offset"], page["limit"], page["total"]) == (1, 2, 4)
    first = page["items"][0]
    assert first == {
        "kind": "image", "name": "mask.png", "category": "mask", "width": 64, "height": 32, "starred": False,
        "full_url": "api/v1/images/i/mask.png/full", "thumbnail_url": "api/v1/images/i/mask.png/thumbnail",
        "is_intermediate": False, "board_id": None, "created_at": "2026-01-02 11:00:00.000",
        "duration": None, "fps": None,
    }  # fmt: skip
    assert (await api.json("GET", "/v1/gallery/items/?limit=0"))["items"] == []
    kinds = await api.json("GET", "/v1/gallery/items/names?board_id=trees")
    assert kinds == {"items": [{"kind": "image", "name": "on-board.png"}], "starred_count": 0, "total_count": 1}


async def test_days_are_boards(api: LibraryApi) -> None:
    with api.database.counted() as trips:
        days = await api.json("GET", "/v1/virtual_boards/by_date")
    assert trips.count == 1
    assert [(day["virtual_board_id"], day["image_count"], day["asset_count"]) for day in days] == [
        ("by_date:2026-01-03", 1, 0),
        ("by_date:2026-01-02", 1, 1),
        ("by_date:2026-01-01", 1, 0),
    ]
    assert days[1]["cover_image_name"] == "mask.png"
    shown = await api.json("GET", "/v1/virtual_boards/by_date/2026-01-02/image_names?categories=general")
    assert shown == {"image_names": ["new.png"], "starred_count": 0, "total_count": 1}
    kinds = await api.json("GET", "/v1/virtual_boards/by_date/2026-01-03/item_names")
    assert kinds["items"] == [{"kind": "image", "name": "on-board.png"}]


async def test_bad_queries_are_refused(api: LibraryApi) -> None:
    for day in ("yesterday", "2026-13-01", "20260101", "2026-01-01'--", "9" * 300):
        assert "YYYY-MM-DD" in await api.refusal("GET", NAMES, 422, params={"created_date": day})
    await api.refusal("GET", "/v1/virtual_boards/by_date/..%2F..%2Fetc/image_names", 404)
    await api.refusal("GET", "/v1/virtual_boards/by_date/today/image_names", 422)
    assert "1,000" in await api.refusal("GET", NAMES, 422, params={"search_term": "x" * 1001})
    await api.refusal("GET", f"{NAMES}?categories=nothing", 422)
    await api.refusal("GET", f"/v1/gallery/items/?offset={2**64}", 422)
    await api.refusal("GET", "/v1/gallery/items/?limit=1001", 422)
