"""The workflow library over HTTP."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invokeai.app.api.routers.workflows import workflows_router
from invokeai.app.services.library_files.library_files import LibraryFileStore
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.timestamps import timestamp
from invokeai.app.services.workflow_records.workflow_models import Workflow
from invokeai.app.services.workflow_records.workflow_record_store import WorkflowRecordStore, default_statements
from invokeai.app.services.workflow_records.workflow_service import WorkflowService, columns_of
from tests.app.api.library_api import LibraryApi, library_api


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    def service(made: Any) -> WorkflowService:
        files = LibraryFileStore(DiskObjects(tmp_path), "thumbnails", 1_000_000)
        return WorkflowService(WorkflowRecordStore(made.database), files, made.events)

    async with library_api(tmp_path, [workflows_router], workflows=service) as studio:
        yield studio


def workflow(name: str = "mine", **members: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("author", "description", "version", "contact", "tags", "notes"), "")
    meta = {"version": "4.0.0", "category": "user"}
    return {**texts, "name": name, "exposedFields": [], "meta": meta, "nodes": [], "edges": [], "form": None, **members}


def node(node_type: str) -> dict[str, Any]:
    return {"id": node_type, "type": "invocation", "data": {"id": node_type, "type": node_type, "inputs": {}}}


async def create(api: LibraryApi, name: str = "mine", **members: Any) -> str:
    record = await api.json("POST", "/v1/workflows/", json={"workflow": workflow(name, **members)})
    return str(record["workflow_id"])


async def add_default(api: LibraryApi, workflow_id: str = "default_one") -> None:
    shipped = Workflow(
        **{**workflow("shipped"), "id": workflow_id, "meta": {"version": "4.0.0", "category": "default"}}
    )
    await api.database.batch(default_statements({workflow_id: columns_of(shipped, workflow_id)}, timestamp()))


def png(width: int = 600, height: int = 300) -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, "PNG")
    return out.getvalue()


async def test_a_saved_workflow_is_read_back_whole(api: LibraryApi) -> None:
    sent = workflow("Two numbers", tags="x,y", nodes=[node("add")], form={"rootElementId": "root"})
    record = await api.json("POST", "/v1/workflows/", json={"workflow": sent})
    assert record["is_public"] is True
    assert record["user_id"] == "system"
    assert record["opened_at"] is None
    read = await api.json("GET", f"/v1/workflows/i/{record['workflow_id']}")
    assert read["workflow"] == {**sent, "id": record["workflow_id"]}
    assert read["thumbnail_url"] is None
    assert read["call_saved_workflow_compatibility"]["reason"] == "missing_workflow_return"


async def test_changes_are_told_to_browsers(api: LibraryApi) -> None:
    key = await create(api)
    await api.json("PATCH", f"/v1/workflows/i/{key}", json={"workflow": {**workflow("other"), "id": key}})
    await api.json("PATCH", f"/v1/workflows/i/{key}/is_public", json={"is_public": False})
    await api.json("DELETE", f"/v1/workflows/i/{key}")
    told = [(event.event_name, event.model_dump(exclude={"timestamp"})) for event in api.published]
    who = {"workflow_id": key, "user_id": "system"}
    assert told == [
        ("workflow_created", {**who, "is_public": True}),
        ("workflow_updated", {**who, "old_is_public": True, "new_is_public": True}),
        ("workflow_updated", {**who, "old_is_public": True, "new_is_public": False}),
        ("workflow_deleted", {**who, "is_public": False}),
    ]


async def test_update_replaces_content_and_keeps_the_id(api: LibraryApi) -> None:
    key = await create(api, tags="a")
    record = await api.json(
        "PATCH", f"/v1/workflows/i/{key}", json={"workflow": {**workflow("new name", tags="b"), "id": key}}
    )
    assert (record["workflow_id"], record["name"], record["workflow"]["tags"]) == (key, "new name", "b")
    assert await api.json("GET", "/v1/workflows/tags?categories=user") == ["b"]


async def test_sharing_adds_and_removes_the_tag(api: LibraryApi) -> None:
    key = await create(api, tags="x,y")
    off = await api.json("PATCH", f"/v1/workflows/i/{key}/is_public", json={"is_public": False})
    assert (off["is_public"], off["workflow"]["tags"]) == (False, "x, y")
    on = await api.json("PATCH", f"/v1/workflows/i/{key}/is_public", json={"is_public": True})
    assert (on["is_public"], on["workflow"]["tags"]) == (True, "x, y, shared")
    assert (await api.json("GET", "/v1/workflows/?tags=SHARED"))["total"] == 1


async def test_list_filters_orders_and_pages(api: LibraryApi) -> None:
    alpha = await create(api, "alpha", tags="Landscape, sky", description="clouds")
    await create(api, "beta", tags="portrait")
    await create(api, "Gamma", tags="LANDSCAPE")
    await add_default(api)

    async def names(query: str) -> list[str]:
        return [item["name"] for item in (await api.json("GET", f"/v1/workflows/?{query}"))["items"]]

    assert await names("categories=user&order_by=name") == ["Gamma", "alpha", "beta"]
    assert await names("categories=default") == ["shipped"]
    assert sorted(await names("tags=landscape&tags=nothing")) == ["Gamma", "alpha"]
    assert await names("query=CLOUDS") == ["alpha"]
    assert await names("query=%25") == []
    assert len(await names("query=")) == 4
    await api.json("PUT", f"/v1/workflows/i/{alpha}/opened_at")
    assert await names("has_been_opened=true") == ["alpha"]
    assert (await names("order_by=opened_at&direction=DESC"))[0] == "alpha"
    page = await api.json("GET", "/v1/workflows/?categories=user&order_by=name&per_page=2&page=1")
    assert (page["page"], page["pages"], page["per_page"], page["total"]) == (1, 2, 2, 3)
    assert [item["name"] for item in page["items"]] == ["beta"]
    whole = await api.json("GET", "/v1/workflows/?categories=user")
    assert (whole["pages"], whole["per_page"], whole["total"]) == (1, 3, 3)
    empty = await api.json("GET", "/v1/workflows/?query=nothing&per_page=30")
    assert (empty["pages"], empty["per_page"], empty["total"], empty["items"]) == (0, 30, 0, [])


async def test_counts(api: LibraryApi) -> None:
    key = await create(api, "a", tags="Text to Image, sky")
    await create(api, "b", tags="sky")
    await add_default(api)
    await api.json("PUT", f"/v1/workflows/i/{key}/opened_at")
    counted = await api.json("GET", "/v1/workflows/counts_by_tag?categories=user&tags=SKY&tags=Image&tags=Food")
    assert counted == {"SKY": 2, "Image": 1, "Food": 0}
    both = "categories=user&categories=default"
    assert await api.json("GET", f"/v1/workflows/counts_by_category?{both}") == {"user": 2, "default": 1}
    opened = await api.json("GET", f"/v1/workflows/counts_by_category?{both}&has_been_opened=true")
    assert opened == {"user": 1, "default": 0}
    assert await api.json("GET", "/v1/workflows/tags") == ["sky", "Text to Image"]


async def test_callable_workflows_have_one_return_and_no_batch(api: LibraryApi) -> None:
    await create(api, "ok", nodes=[node("workflow_return"), node("add")])
    await create(api, "two", nodes=[node("workflow_return"), node("workflow_return")])
    await create(api, "batch", nodes=[node("workflow_return"), node("integer_batch")])
    found = await api.json("GET", "/v1/workflows/?callable=true")
    assert [item["name"] for item in found["items"]] == ["ok"]
    refused = await api.json("GET", "/v1/workflows/?callable=false&order_by=name")
    reasons = [item["call_saved_workflow_compatibility"]["reason"] for item in refused["items"]]
    assert reasons == ["unsupported_batch_input", "multiple_workflow_return"]


async def test_thumbnail_is_small_webp_and_replaced_under_a_new_address(api: LibraryApi) -> None:
    key = await create(api)
    path = f"/v1/workflows/i/{key}/thumbnail"
    assert "thumbnail" in await api.refusal("GET", path, 404)
    await api.json("PUT", path, files={"image": ("t.png", png(), "image/png")})
    first = (await api.json("GET", f"/v1/workflows/i/{key}"))["thumbnail_url"]
    answer = await api.client.get("/" + first)
    assert answer.headers["content-type"] == "image/webp"
    assert Image.open(BytesIO(answer.content)).size == (256, 128)
    await api.json("PUT", path, files={"image": ("t.png", png(300, 300), "image/png")})
    assert (await api.json("GET", f"/v1/workflows/i/{key}"))["thumbnail_url"] != first
    assert len(list((api.root / "thumbnails").iterdir())) == 1
    await api.json("DELETE", path)
    await api.refusal("GET", path, 404)
    assert list((api.root / "thumbnails").iterdir()) == []


async def test_deleting_a_workflow_removes_its_thumbnail(api: LibraryApi) -> None:
    key = await create(api)
    await api.json("PUT", f"/v1/workflows/i/{key}/thumbnail", files={"image": ("t.png", png(), "image/png")})
    await api.json("DELETE", f"/v1/workflows/i/{key}")
    assert list((api.root / "thumbnails").iterdir()) == []
    assert await api.refusal("GET", f"/v1/workflows/i/{key}", 404) == "Workflow not found"


async def test_default_workflows_are_read_only_but_can_be_opened(api: LibraryApi) -> None:
    await add_default(api)
    path = "/v1/workflows/i/default_one"
    body = {"workflow": {**workflow("changed"), "id": "default_one"}}
    assert "default" in await api.refusal("DELETE", path, 403)
    assert "default" in await api.refusal("PATCH", path, 403, json=body)
    assert "default" in await api.refusal("PATCH", f"{path}/is_public", 403, json={"is_public": True})
    await api.refusal("PUT", f"{path}/thumbnail", 403, files={"image": ("t.png", png(), "image/png")})
    await api.json("PUT", f"{path}/opened_at")
    assert (await api.json("GET", path))["opened_at"] is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "n" * 1_000_000}, "300"),
        ({"meta": {"version": "4.0.0", "category": "default"}}, "user"),
        ({"nodes": "many"}, "list"),
        ({"nodes": [{"data": {"text": "x" * 2_000_000}}]}, "1,900,000"),
    ],
)
async def test_bad_workflows_are_refused_and_not_stored(api: LibraryApi, changes: dict[str, Any], words: str) -> None:
    body = {"workflow": {**workflow(), **changes}}
    assert words in await api.refusal("POST", "/v1/workflows/", 422, json=body)
    assert (await api.json("GET", "/v1/workflows/"))["total"] == 0
    assert api.published == []


async def test_deep_nesting_is_refused(api: LibraryApi) -> None:
    deep = b'{"a":' * 400 + b"1" + b"}" * 400
    body = b'{"workflow":' + workflow_bytes(form=deep) + b"}"
    await api.refusal("POST", "/v1/workflows/", 422, content=body, headers={"content-type": "application/json"})
    assert (await api.json("GET", "/v1/workflows/"))["total"] == 0


def workflow_bytes(form: bytes) -> bytes:
    import json

    return json.dumps(workflow()).encode().replace(b'"form": null', b'"form": ' + form)


async def test_unknown_ids_are_404_and_bad_queries_422(api: LibraryApi) -> None:
    for unknown in ("nope", "..%2F..%2Fetc", "9" * 400):
        await api.refusal("GET", f"/v1/workflows/i/{unknown}", 404)
        await api.refusal("DELETE", f"/v1/workflows/i/{unknown}", 404)
        await api.refusal("PUT", f"/v1/workflows/i/{unknown}/opened_at", 404)
        await api.refusal("PATCH", f"/v1/workflows/i/{unknown}/is_public", 404, json={"is_public": True})
    await api.refusal("GET", f"/v1/workflows/?page={2**64}", 422)
    await api.refusal("GET", "/v1/workflows/?per_page=0", 422)
    await api.refusal("GET", "/v1/workflows/?order_by=workflow", 422)
    key = await create(api)
    file = {"image": ("t.png", b"not a picture", "image/png")}
    assert "picture" in await api.refusal("PUT", f"/v1/workflows/i/{key}/thumbnail", 415, files=file)
    bomb = {"image": ("t.png", png(1200, 1000), "image/png")}
    assert "pixels" in await api.refusal("PUT", f"/v1/workflows/i/{key}/thumbnail", 413, files=bomb)
    await api.refusal("PUT", "/v1/workflows/i/nope/thumbnail", 404, files={"image": ("t.png", png(), "image/png")})
    folder = api.root / "thumbnails"
    assert not folder.exists() or list(folder.iterdir()) == []


async def test_every_call_is_one_round_trip(api: LibraryApi) -> None:
    key = await create(api)
    calls = [
        ("GET", f"/v1/workflows/i/{key}"),
        ("GET", "/v1/workflows/?per_page=30"),
        ("GET", "/v1/workflows/tags"),
        ("GET", "/v1/workflows/counts_by_tag?" + "&".join(f"tags=t{number}" for number in range(150))),
        ("GET", "/v1/workflows/counts_by_category?categories=user&categories=default"),
        ("PUT", f"/v1/workflows/i/{key}/opened_at"),
        ("DELETE", f"/v1/workflows/i/{key}"),
    ]
    for method, path in calls:
        with api.database.counted() as trips:
            await api.json(method, path)
        assert trips.count == 1, path
