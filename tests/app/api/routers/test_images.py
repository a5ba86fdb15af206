"""Images over HTTP: what the UI sends, what it needs back, and what is refused."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invokeai.app.api.routers.image_files import image_files_router
from invokeai.app.api.routers.images import images_router
from invokeai.app.services.bulk_download.bulk_download import BulkDownloadService
from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.image_records.image_record_store import ImageRecordStore
from invokeai.app.services.images.images import ImageService
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from tests.app.api.library_api import LibraryApi, library_api
from tests.app.services.image_files.test_picture_encoding import bomb

UPLOAD = "/v1/images/upload"
MISSING = "/v1/images/i/no.png"


def png(width: int = 300, height: int = 200, colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    async with library_api(
        tmp_path,
        [images_router, image_files_router],
        images=lambda made: ImageService(
            DiskImageFileStorage(tmp_path / "images"), ImageRecordStore(made.database), made.config.max_image_pixels
        ),
        bulk_download=lambda made: BulkDownloadService(
            DiskObjects(tmp_path / "objects"), made.images.files, made.images.records, made.events
        ),
    ) as studio:
        await studio.database.execute(
            "INSERT INTO boards (board_id, board_name, created_at, updated_at) VALUES ('trees', '../My Board', '', '')"
        )
        yield studio
        studio.services.images.close()


async def upload(api: LibraryApi, data: bytes | None = None, status: int = 201, query: str = "", **form: str) -> Any:
    return await api.json(
        "POST",
        f"{UPLOAD}?image_category=user&is_intermediate=false{query}",
        status,
        files={"file": ("picture.png", png() if data is None else data, "image/png")},
        data=form,
    )


async def refused(api: LibraryApi, data: bytes, status: int, query: str = "", **form: str) -> str:
    """The sentence of a refused upload, which left nothing."""
    detail = (await upload(api, data, status, query, **form))["detail"]
    assert await api.database.fetch("SELECT 1 FROM images") == []
    assert not list((api.root / "images").rglob("*.*"))
    return str(detail)


async def test_upload_answers_with_the_record(api: LibraryApi) -> None:
    with api.database.counted() as trips:
        answer = await api.client.post(
            f"/api{UPLOAD}?image_category=user&is_intermediate=false", files={"file": ("x.png", png(), "image/png")}
        )
    assert trips.count == 1
    assert answer.status_code == 201
    record = answer.json()
    assert answer.headers["location"] == record["image_url"] == f"api/v1/images/i/{record['image_name']}/full"
    assert (record["image_origin"], record["image_category"], record["width"]) == ("external", "user", 300)
    assert record == await api.json("GET", f"/v1/images/i/{record['image_name']}")
    urls = await api.json("GET", f"/v1/images/i/{record['image_name']}/urls")
    assert urls == {key: record[key] for key in ("image_name", "image_url", "thumbnail_url")}


async def test_upload_with_board_metadata_and_size(api: LibraryApi) -> None:
    with api.database.counted() as trips:
        record = await upload(
            api, query="&board_id=trees&session_id=s", metadata='{"a":1,"b":null}', resize_to="[100, 50]"
        )
    assert trips.count == 2
    assert (record["board_id"], record["session_id"], record["width"], record["height"]) == ("trees", "s", 100, 50)
    assert await api.json("GET", f"/v1/images/i/{record['image_name']}/metadata") == {"a": 1}
    assert (await upload(api, resize_to='"[8,9]"'))["height"] == 9
    assert (await upload(api, query="&board_id=none"))["board_id"] is None


async def test_upload_crops_to_what_is_visible(api: LibraryApi) -> None:
    layer = Image.new("RGBA", (100, 80), (0, 0, 0, 0))
    buffer, empty = io.BytesIO(), io.BytesIO()
    layer.save(empty, "PNG")
    layer.paste((255, 0, 0, 255), (10, 20, 40, 70))
    layer.save(buffer, "PNG")
    record = await upload(api, buffer.getvalue(), query="&crop_visible=true")
    assert (record["width"], record["height"]) == (30, 50)
    record = await upload(api, empty.getvalue(), query="&crop_visible=true")
    assert (record["width"], record["height"]) == (100, 80)


async def test_a_jpeg_is_stored_as_png(api: LibraryApi) -> None:
    buffer = io.BytesIO()
    Image.new("CMYK", (30, 20)).save(buffer, "JPEG")
    record = await upload(api, buffer.getvalue())
    assert record["image_name"].endswith(".png")
    answer = await api.client.get(f"/{record['image_url']}")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("data", "status", "sentence"),
    [
        (b"this is text", 415, "not a picture"),
        (b"", 415, "not a picture"),
        (b"<html><script>alert(1)</script></html>", 415, "not a picture"),
        (png()[:-40], 415, "damaged"),
        (png()[:30], 415, "damaged"),
    ],
)
async def test_what_is_no_picture_is_refused(api: LibraryApi, data: bytes, status: int, sentence: str) -> None:
    assert sentence in await refused(api, data, status)


async def test_a_decompression_bomb_is_refused(api: LibraryApi) -> None:
    assert "20000 × 20000" in await refused(api, bomb("PNG"), 413)
    await upload(api)


async def test_an_upload_over_the_limit_is_refused(api: LibraryApi) -> None:
    api.services.config.max_upload_bytes = 1000
    assert "1000 bytes" in await refused(api, b"\x89PNG\r\n\x1a\n" + b"x" * 1000, 413)


@pytest.mark.parametrize(
    ("query", "form", "status", "sentence"),
    [
        ("&board_id=never", {}, 404, "no board"),
        ("&board_id=../trees", {}, 404, "no board"),
        ("", {"metadata": "not JSON"}, 422, "JSON object"),
        ("", {"metadata": "[1]"}, 422, "JSON object"),
        ("", {"metadata": '{"a":NaN}'}, 422, "JSON object"),
        ("", {"resize_to": "big"}, 422, "resize_to"),
        ("", {"resize_to": "[10]"}, 422, "resize_to"),
        ("", {"resize_to": "[10, -1]"}, 422, "resize_to"),
        ("", {"resize_to": "[1.5, true]"}, 422, "resize_to"),
        ("", {"resize_to": "[100000, 100000]"}, 413, "resize_to"),
        ("&is_intermediate=maybe", {}, 422, "valid boolean"),
    ],
)
async def test_wrong_parts_of_an_upload(
    api: LibraryApi, query: str, form: dict[str, str], status: int, sentence: str
) -> None:
    assert sentence in await refused(api, png(), status, query, **form)


async def test_an_upload_without_a_file_or_with_an_unknown_category(api: LibraryApi) -> None:
    assert "required" in await api.refusal("POST", f"{UPLOAD}?image_category=user&is_intermediate=false", 422)
    wrong = f"{UPLOAD}?image_category=film&is_intermediate=false"
    assert "general" in await api.refusal("POST", wrong, 422, files={"file": ("a.png", png())})


async def test_the_list_that_the_ui_asks_for(api: LibraryApi) -> None:
    names = [(await upload(api))["image_name"] for _ in range(3)]
    where = "board_id=none&is_intermediate=false&categories=user&categories=mask"
    with api.database.counted() as trips:
        page = await api.json("GET", f"/v1/images/?{where}&limit=2&offset=0")
    assert trips.count == 1
    assert (page["total"], page["limit"], len(page["items"])) == (3, 2, 2)
    assert page["items"][0] == await api.json("GET", f"/v1/images/i/{page['items'][0]['image_name']}")
    assert await api.json("GET", f"/v1/images/?{where}&limit=0&offset=0") == {
        "limit": 0,
        "offset": 0,
        "total": 3,
        "items": [],
    }
    found = await api.json("GET", f"/v1/images/names?{where}&order_dir=ASC")
    assert sorted(found["image_names"]) == sorted(names)
    assert (found["starred_count"], found["total_count"]) == (0, 3)


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=1001", "offset=-1", "order_dir=UP", f"offset={2**64}", "categories=x"]
)
async def test_wrong_queries_are_refused(api: LibraryApi, query: str) -> None:
    await api.refusal("GET", f"/v1/images/?{query}", 422)


async def test_records_by_names(api: LibraryApi) -> None:
    first, second = await upload(api), await upload(api)
    names = [second["image_name"], "no.png", first["image_name"]]
    with api.database.counted() as trips:
        found = await api.json("POST", "/v1/images/images_by_names", json={"image_names": names})
    assert trips.count == 1
    assert found == [second, first]
    assert await api.json("POST", "/v1/images/images_by_names", json={"image_names": []}) == []


async def test_star_update_delete(api: LibraryApi) -> None:
    name = (await upload(api, query="&board_id=trees"))["image_name"]
    starred = await api.json("POST", "/v1/images/star", json={"image_names": [name, "no.png"]})
    assert starred == {"affected_boards": ["trees"], "starred_images": [name], "failed_images": ["no.png"]}
    changed = await api.json("PATCH", f"/v1/images/i/{name}", json={"starred": False, "image_category": "control"})
    assert (changed["starred"], changed["image_category"]) == (False, "control")
    unstarred = await api.json("POST", "/v1/images/unstar", json={"image_names": [name]})
    assert unstarred["unstarred_images"] == [name]
    deleted = await api.json("DELETE", f"/v1/images/i/{name}")
    assert deleted == {"affected_boards": ["trees"], "deleted_images": [name], "failed_images": []}
    await api.refusal("GET", f"/v1/images/i/{name}/full", 404)


async def test_delete_of_a_hundred_is_one_round_trip(api: LibraryApi) -> None:
    names = [(await upload(api, png(4, 4)))["image_name"] for _ in range(100)]
    with api.database.counted() as trips:
        deleted = await api.json("POST", "/v1/images/delete", json={"image_names": [*names, "no.png"]})
    assert trips.count == 1
    assert sorted(deleted["deleted_images"]) == sorted(names)
    assert deleted["failed_images"] == ["no.png"]
    assert not list((api.root / "images").rglob("*.*"))


async def test_intermediates_and_uncategorised(api: LibraryApi) -> None:
    kept = (await upload(api, query="&board_id=trees"))["image_name"]
    loose = (await upload(api))["image_name"]
    step = (await upload(api))["image_name"]
    await api.json("PATCH", f"/v1/images/i/{step}", json={"is_intermediate": True})
    assert await api.json("GET", "/v1/images/intermediates") == 1
    deleted = await api.json("DELETE", "/v1/images/uncategorized")
    assert deleted["deleted_images"] == [loose]
    assert await api.json("DELETE", "/v1/images/intermediates") == 1
    assert await api.json("GET", "/v1/images/intermediates") == 0
    assert (await api.json("GET", "/v1/images/names"))["image_names"] == [kept]


async def test_metadata_and_workflow_of_a_plain_picture(api: LibraryApi) -> None:
    name = (await upload(api))["image_name"]
    assert await api.json("GET", f"/v1/images/i/{name}/metadata") is None
    assert await api.json("GET", f"/v1/images/i/{name}/workflow") == {"workflow": None, "graph": None}


async def test_a_file_is_served_for_ever_and_never_runs(api: LibraryApi) -> None:
    record = await upload(api)
    answer = await api.client.get(f"/{record['image_url']}")
    assert answer.headers["content-type"] == "image/png"
    assert "max-age=31536000" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == f'inline; filename="{record["image_name"]}"'
    head = await api.client.head(f"/{record['image_url']}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.content))
    same = await api.client.get(f"/{record['image_url']}", headers={"if-none-match": answer.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    thumbnail = await api.client.get(f"/{record['thumbnail_url']}")
    assert thumbnail.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(thumbnail.content)).size == (256, 171)


@pytest.mark.parametrize(
    ("wanted", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 9),
        ("bytes=10-", 206, 10, None),
        ("bytes=-5", 206, -5, None),
        ("bytes=5-99999999", 206, 5, None),
        ("bytes=99999999-", 416, None, None),
        ("bytes=9-5", 200, 0, None),
        ("bytes=-", 200, 0, None),
        (f"bytes={'9' * 5000}-", 200, 0, None),
        ("bytes=-0", 416, None, None),
        ("bytes=0-1,4-5", 200, 0, None),
        ("lines=1-2", 200, 0, None),
    ],
)
async def test_ranges(api: LibraryApi, wanted: str, status: int, first: int | None, last: int | None) -> None:
    record = await upload(api)
    whole = (await api.client.get(f"/{record['image_url']}")).content
    answer = await api.client.get(f"/{record['image_url']}", headers={"range": wanted})
    assert answer.status_code == status
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"
        assert answer.headers["cache-control"] == "no-store" and "etag" not in answer.headers
        return
    part = whole[first : None if last is None else last + 1]
    assert answer.content == part
    assert answer.headers["content-length"] == str(len(part))
    if status == 206:
        start = whole.index(part) if first and first < 0 else first
        assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{len(whole)}"  # type: ignore[operator]


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", MISSING),
        ("GET", f"{MISSING}/full"),
        ("GET", f"{MISSING}/thumbnail"),
        ("GET", f"{MISSING}/metadata"),
        ("GET", f"{MISSING}/workflow"),
        ("GET", f"{MISSING}/urls"),
        ("DELETE", MISSING),
        ("GET", "/v1/images/download/no.zip"),
        ("GET", "/v1/images/download/..%2Flibrary.db"),
    ],
)
async def test_what_is_not_there(api: LibraryApi, method: str, path: str) -> None:
    assert "no" in (await api.refusal(method, path, 404)).lower()


@pytest.mark.parametrize(
    "name", ["..%2F..%2Flibrary.db", "%2e%2e%2flibrary.db", "a%00.png", "..\\library.db", "x" * 300]
)
@pytest.mark.parametrize("rest", ["", "/full", "/thumbnail", "/metadata", "/workflow", "/urls"])
async def test_names_that_lead_out_are_refused(api: LibraryApi, name: str, rest: str) -> None:
    answer = await api.client.get(f"/api/v1/images/i/{name}{rest}")
    assert answer.status_code in (404, 422)
    assert answer.json()["detail"]


@pytest.mark.parametrize("path", ["star", "unstar", "delete", "images_by_names"])
async def test_lists_of_names_that_lead_out_change_nothing(api: LibraryApi, path: str) -> None:
    record = await upload(api)
    for names in (["../library.db", record["image_name"]], ["x" * 300], ["a.png"] * 1001, "a.png", [5]):
        await api.refusal("POST", f"/v1/images/{path}", 422, json={"image_names": names})
    assert await api.json("GET", f"/v1/images/i/{record['image_name']}") == record


async def test_a_wrong_change_is_refused(api: LibraryApi) -> None:
    name = (await upload(api))["image_name"]
    await api.refusal("PATCH", f"/v1/images/i/{name}", 422, json={"image_category": "film"})
    await api.refusal("PATCH", MISSING, 404, json={"starred": True})


async def test_an_address_to_upload_to_is_refused_in_words(api: LibraryApi) -> None:
    assert "images/upload" in await api.refusal("POST", "/v1/images/", 400, json={"width": 1, "height": 1})


async def download(api: LibraryApi, body: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The zip's name and the events about it."""
    api.published.clear()
    answer = await api.json("POST", "/v1/images/download", 202, json=body)
    async with asyncio.timeout(60):
        while len(api.published) < 2:
            await asyncio.sleep(0.01)
    events = [
        {"name": event.event_name, "room": event.room, **event.model_dump(mode="json")} for event in api.published
    ]
    return answer["bulk_download_item_name"], events


async def test_a_zip_of_pictures(api: LibraryApi) -> None:
    record = await upload(api)
    name, events = await download(api, {"image_names": [record["image_name"], "no.png"]})
    assert [event["name"] for event in events] == ["bulk_download_started", "bulk_download_complete"]
    assert {key: events[1][key] for key in events[1] if key not in ("name", "timestamp")} == {
        "room": "bulk_download",
        "bulk_download_id": "default",
        "bulk_download_item_id": name.removesuffix(".zip"),
        "bulk_download_item_name": name,
        "user_id": "system",
    }
    answer = await api.client.get(f"/api/v1/images/download/{name}")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [f"user/{record['image_name']}"]
        assert archive.read(archive.namelist()[0]) == (await api.client.get(f"/{record['image_url']}")).content


async def test_a_zip_of_a_board_has_its_name_made_safe(api: LibraryApi) -> None:
    await upload(api, query="&board_id=trees")
    name, _ = await download(api, {"board_id": "trees"})
    assert "/" not in name and ".." not in name and "My Board" in name
    answer = await api.client.get(f"/api/v1/images/download/{name}")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert len(archive.namelist()) == 1


async def test_a_zip_of_nothing_is_refused_or_told(api: LibraryApi) -> None:
    await api.refusal("POST", "/v1/images/download", 422, json={})
    await api.refusal("POST", "/v1/images/download", 422, json={"image_names": []})
    await api.refusal("POST", "/v1/images/download", 404, json={"board_id": "never"})
    name, events = await download(api, {"image_names": ["no.png"]})
    assert events[1]["name"] == "bulk_download_error"
    assert "there" in events[1]["error"]
    await api.refusal("GET", f"/v1/images/download/{name}", 404)


async def test_the_metadata_of_a_canvas_upload_is_kept(api: LibraryApi) -> None:
    metadata = {"canvas_v2_metadata": {"rasterLayers": [{"id": "raster_layer:x", "name": "日本"}]}}
    record = await upload(api, metadata=json.dumps(metadata))
    assert await api.json("GET", f"/v1/images/i/{record['image_name']}/metadata") == metadata
