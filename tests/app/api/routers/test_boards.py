"""Boards and the pictures on them, over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invokeai.app.api.routers.board_images import board_images_router
from invokeai.app.api.routers.boards import boards_router
from invokeai.app.services.boards.board_images import BoardImagesService
from invokeai.app.services.boards.board_records import BoardRecords
from invokeai.app.services.boards.board_service import BoardService
from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.image_records.image_record_store import ImageRecordStore
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.invocation_cache.invocation_cache import InvocationCache
from tests.app.api.library_api import LibraryApi, library_api

_INSERT = (
    "INSERT INTO images (image_name, image_origin, image_category, width, height, is_intermediate, starred, "
    "created_at, updated_at) VALUES (?, 'internal', ?, 8, 8, ?, ?, ?, ?)"
)


def _images(made: Any) -> ImageService:
    files = DiskImageFileStorage(made.config.root / "images")
    return ImageService(files, ImageRecordStore(made.database), 1_000_000)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    async with library_api(
        tmp_path,
        [boards_router, board_images_router],
        images=_images,
        boards=lambda made: BoardService(BoardRecords(made.database), made.images),
        invocation_cache=lambda made: InvocationCache(16),
        board_images=lambda made: BoardImagesService(BoardRecords(made.database)),
    ) as studio:
        yield studio
        studio.services.images.close()


async def add_image(
    api: LibraryApi, name: str, at: int, category: str = "general", intermediate: int = 0, starred: int = 0
) -> None:
    moment = f"2026-01-01 00:00:{at:02d}.000"
    await api.database.execute(_INSERT, name, category, intermediate, starred, moment, moment)


async def make(api: LibraryApi, name: str = "Trees") -> str:
    return str((await api.json("POST", "/v1/boards/", 201, params={"board_name": name}))["board_id"])


async def move(api: LibraryApi, board_id: str, *names: str) -> dict[str, Any]:
    body = {"image_names": list(names), "board_id": board_id}
    result: dict[str, Any] = await api.json("POST", "/v1/board_images/batch", 201, json=body)
    return result


async def listed(api: LibraryApi, query: str = "") -> list[dict[str, Any]]:
    boards: list[dict[str, Any]] = await api.json("GET", f"/v1/boards/?all=true{query}")
    return boards


async def test_a_new_board_is_empty(api: LibraryApi) -> None:
    board = await api.json("POST", "/v1/boards/?board_name=My+Board", 201)
    expected = {
        "board_name": "My Board", "user_id": "system", "deleted_at": None, "cover_image_name": None, "archived": False,
        "board_visibility": "private", "cover_video_name": None, "image_count": 0, "video_count": 0, "asset_count": 0,
    }  # fmt: skip
    assert {name: board[name] for name in expected} == expected
    assert await api.json("GET", f"/v1/boards/{board['board_id']}") == board
    assert await listed(api) == [board]


async def test_counts_and_cover_follow_the_pictures(api: LibraryApi) -> None:
    board = await make(api)
    await add_image(api, "a.png", 1)
    await add_image(api, "b.png", 2, starred=1)
    await add_image(api, "mask.png", 3, category="mask")
    await add_image(api, "step.png", 4, intermediate=1)
    await move(api, board, "a.png", "b.png", "mask.png", "step.png")

    async def seen() -> tuple[int, int, str | None]:
        (entry,) = await listed(api)
        return entry["image_count"], entry["asset_count"], entry["cover_image_name"]

    assert await seen() == (2, 1, "mask.png")
    await api.json("POST", "/v1/board_images/batch/delete", 201, json={"image_names": ["mask.png"]})
    assert await seen() == (2, 0, "b.png")
    await api.json("PATCH", f"/v1/boards/{board}", 201, json={"cover_image_name": "a.png"})
    assert await seen() == (2, 0, "a.png")
    await api.json("DELETE", "/v1/board_images/", 201, json={"image_name": "a.png"})
    assert await seen() == (1, 0, "b.png")
    await api.database.execute("DELETE FROM images")
    assert await seen() == (0, 0, None)


async def test_the_list_is_one_round_trip_whatever_its_length(api: LibraryApi) -> None:
    for number in range(12):
        board = await make(api, f"b{number}")
        await add_image(api, f"{number}.png", number)
        await move(api, board, f"{number}.png")
    with api.database.counted() as trips:
        boards = await listed(api)
    assert trips.count == 1
    assert [board["image_count"] for board in boards] == [1] * 12
    assert [board["cover_image_name"] for board in boards] == [f"{number}.png" for number in reversed(range(12))]


async def test_neither_counts_nor_covers_scan_the_images(api: LibraryApi) -> None:
    with api.database.counted() as trips:
        await listed(api)
    plans = [
        str(row["detail"])
        for sql in trips.statements
        for row in await api.database.fetch(f"EXPLAIN QUERY PLAN {sql}", *["system", -1, 0][: sql.count("?")])
    ]
    assert any("images_by_board" in plan for plan in plans)
    assert not [plan for plan in plans if plan.startswith(("SCAN images", "SCAN i", "SCAN c"))]


async def test_archive_rename_and_share(api: LibraryApi) -> None:
    board = await make(api)
    changes = {"board_name": "Renamed", "archived": True, "board_visibility": "public"}
    changed = await api.json("PATCH", f"/v1/boards/{board}", 201, json=changes)
    assert {name: changed[name] for name in changes} == changes
    assert await listed(api) == []
    assert [entry["board_id"] for entry in await listed(api, "&include_archived=true")] == [board]


async def test_order_and_pages(api: LibraryApi) -> None:
    for name in ("b", "C", "a"):
        await make(api, name)
    assert [b["board_name"] for b in await listed(api, "&order_by=board_name&direction=ASC")] == ["a", "b", "C"]
    page = await api.json("GET", "/v1/boards/?order_by=board_name&direction=ASC&offset=1&limit=1")
    assert (page["offset"], page["limit"], page["total"]) == (1, 1, 3)
    assert [b["board_name"] for b in page["items"]] == ["b"]
    assert (await api.json("GET", "/v1/boards/"))["limit"] == 10


async def test_moves_name_the_boards_they_touch(api: LibraryApi) -> None:
    first, second = await make(api, "first"), await make(api, "second")
    await add_image(api, "a.png", 1)
    await add_image(api, "b.png", 2)
    with api.database.counted() as trips:
        moved = await move(api, first, "a.png", "b.png", "missing.png")
    assert trips.count == 1
    assert moved == {
        "affected_boards": [first, "none"], "added_images": ["a.png", "b.png"], "failed_images": ["missing.png"]
    }  # fmt: skip
    single = await api.json("POST", "/v1/board_images/", 201, json={"board_id": second, "image_name": "a.png"})
    assert set(single["affected_boards"]) == {first, second}
    assert await api.json("GET", f"/v1/boards/{first}/image_names") == ["b.png"]
    removed = await api.json("POST", "/v1/board_images/batch/delete", 201, json={"image_names": ["a.png", "b.png"]})
    assert set(removed["affected_boards"]) == {first, second, "none"}
    assert removed["removed_images"] == ["a.png", "b.png"]
    assert await api.json("GET", "/v1/boards/none/image_names") == ["a.png", "b.png"]


async def test_image_names_can_be_filtered(api: LibraryApi) -> None:
    await add_image(api, "a.png", 1)
    await add_image(api, "m.png", 2, category="mask")
    await add_image(api, "i.png", 3, intermediate=1)
    names = "/v1/boards/none/image_names"
    assert await api.json("GET", f"{names}?categories=general") == ["a.png", "i.png"]
    assert await api.json("GET", f"{names}?categories=mask&categories=user") == ["m.png"]
    assert await api.json("GET", f"{names}?is_intermediate=false") == ["a.png", "m.png"]


async def test_deleting_a_board_keeps_its_pictures(api: LibraryApi) -> None:
    board = await make(api)
    await add_image(api, "a.png", 1)
    await move(api, board, "a.png")
    with api.database.counted() as trips:
        result = await api.json("DELETE", f"/v1/boards/{board}")
    assert trips.count == 1
    assert (result["deleted_board_images"], result["deleted_images"]) == (["a.png"], [])
    assert await api.json("GET", "/v1/boards/none/image_names") == ["a.png"]
    await api.refusal("GET", f"/v1/boards/{board}/image_names", 404)


async def test_deleting_a_board_with_its_pictures(api: LibraryApi) -> None:
    board = await make(api)
    stored = await api.services.images.create(
        Image.new("RGB", (8, 8)), image_origin=ResourceOrigin.INTERNAL, image_category=ImageCategory.GENERAL
    )
    await add_image(api, "b.png", 1)
    await move(api, board, stored.image_name)
    with api.database.counted() as trips:
        result = await api.json("DELETE", f"/v1/boards/{board}?include_images=true")
    assert trips.count == 2
    assert (result["deleted_images"], result["deleted_board_images"]) == ([stored.image_name], [])
    assert await api.json("GET", "/v1/boards/none/image_names") == ["b.png"]
    assert [path for path in (api.root / "images").rglob("*") if path.is_file()] == []


async def test_uncategorised_is_no_board_that_can_be_deleted(api: LibraryApi) -> None:
    await add_image(api, "a.png", 1)
    await api.refusal("DELETE", "/v1/boards/none?include_images=true", 404)
    assert await api.json("GET", "/v1/boards/none/image_names") == ["a.png"]


async def test_unknown_boards_are_404_and_nothing_moves(api: LibraryApi) -> None:
    await add_image(api, "a.png", 1)
    for unknown in ("nope", "..%2F..%2Fetc", "9" * 300):
        await api.refusal("GET", f"/v1/boards/{unknown}", 404)
        await api.refusal("PATCH", f"/v1/boards/{unknown}", 404, json={"archived": True})
        await api.refusal("DELETE", f"/v1/boards/{unknown}", 404)
        await api.refusal("DELETE", f"/v1/boards/{unknown}?include_images=true", 404)
    body = {"image_names": ["a.png"], "board_id": "nope"}
    assert await api.refusal("POST", "/v1/board_images/batch", 404, json=body) == "Board not found"
    assert await api.json("GET", "/v1/boards/none/image_names") == ["a.png"]


async def test_bad_input_is_refused_and_changes_nothing(api: LibraryApi) -> None:
    board = await make(api)
    assert "300" in await api.refusal("POST", "/v1/boards/", 422, params={"board_name": "x" * 50_000})
    assert "name" in await api.refusal("POST", "/v1/boards/?board_name=%20", 422)
    path = f"/v1/boards/{board}"
    assert "300" in await api.refusal("PATCH", path, 422, json={"board_name": "x" * 1_000_000})
    assert "name" in await api.refusal("PATCH", path, 422, json={"board_name": ""})
    await api.refusal("PATCH", path, 422, json={"board_name": "new", "deleted_at": "now"})
    await api.refusal("PATCH", path, 422, json={"board_visibility": "secret"})
    await api.refusal("GET", f"/v1/boards/?offset={2**64}", 422)
    await api.refusal("GET", "/v1/boards/?order_by=user_id", 422)
    names = {"image_names": ["x"] * 1001, "board_id": board}
    await api.refusal("POST", "/v1/board_images/batch", 422, json=names)
    await api.refusal("POST", "/v1/board_images/batch", 422, json={"image_names": ["x" * 256], "board_id": board})
    (entry,) = await listed(api)
    assert entry["board_name"] == "Trees"
