"""Style presets over HTTP: forms, pictures, import and export."""

import json
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invokeai.app.api.routers.style_presets import style_presets_router
from invokeai.app.services.library_files.library_files import LibraryFileStore
from invokeai.app.services.shared.objects.disk_objects import DiskObjects
from invokeai.app.services.shared.timestamps import timestamp
from invokeai.app.services.style_presets.style_preset_records import (
    StylePresetRecords,
    StylePresetTexts,
    default_statements,
)
from invokeai.app.services.style_presets.style_preset_service import StylePresetService
from tests.app.api.library_api import LibraryApi, library_api

PRESETS = "/v1/style_presets"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    def service(made: Any) -> StylePresetService:
        return StylePresetService(
            StylePresetRecords(made.database), LibraryFileStore(DiskObjects(tmp_path), "presets", 1_000_000)
        )

    async with library_api(tmp_path, [style_presets_router], style_presets=service) as studio:
        yield studio


def form(name: str = "Oil", **members: Any) -> dict[str, str]:
    values = {"name": name, "positive_prompt": "oil painting of {prompt}", "negative_prompt": "photo", "type": "user"}
    return {"data": json.dumps({**values, **members})}


def picture() -> dict[str, tuple[str, bytes, str]]:
    out = BytesIO()
    Image.new("RGBA", (400, 400), (1, 2, 3, 40)).save(out, "PNG")
    return {"image": ("p.png", out.getvalue(), "image/png")}


async def test_create_edit_and_delete(api: LibraryApi) -> None:
    made = await api.json("POST", f"{PRESETS}/", data=form())
    texts = {"positive_prompt": "oil painting of {prompt}", "negative_prompt": "photo"}
    assert {k: made[k] for k in ("name", "preset_data", "type", "is_public", "image")} == {
        "name": "Oil", "preset_data": texts, "type": "user", "is_public": False, "image": None,
    }  # fmt: skip
    path = f"{PRESETS}/i/{made['id']}"
    await api.json("PATCH", path, data=form("Oil 2", negative_prompt=""))
    read = await api.json("GET", path)
    assert (read["name"], read["preset_data"]["negative_prompt"]) == ("Oil 2", "")
    assert await api.json("DELETE", path) is None
    assert "not found" in await api.refusal("GET", path, 404)
    assert await api.json("GET", f"{PRESETS}/") == []


async def test_picture_is_kept_replaced_and_removed_with_the_preset(api: LibraryApi) -> None:
    made = await api.json("POST", f"{PRESETS}/", data=form(), files=picture())
    answer = await api.client.get("/" + made["image"])
    assert answer.headers["content-type"] == "image/webp"
    assert Image.open(BytesIO(answer.content)).size == (256, 256)
    path = f"{PRESETS}/i/{made['id']}"
    changed = await api.json("PATCH", path, data=form(), files=picture())
    assert changed["image"] not in (None, made["image"])
    assert len(list((api.root / "presets").iterdir())) == 1
    assert (await api.json("PATCH", path, data=form()))["image"] is None
    assert list((api.root / "presets").iterdir()) == []
    await api.refusal("GET", f"{path}/image", 404)


async def test_default_presets_come_first_and_can_only_be_deleted(api: LibraryApi) -> None:
    await api.database.batch(default_statements({"d1": StylePresetTexts("Zinc", "{prompt}", "")}, timestamp()))
    await api.json("POST", f"{PRESETS}/", data=form("Alpha"))
    assert [entry["name"] for entry in await api.json("GET", f"{PRESETS}/")] == ["Zinc", "Alpha"]
    assert "default" in await api.refusal("PATCH", f"{PRESETS}/i/d1", 403, data=form(), files=picture())
    assert list((api.root / "presets").iterdir()) == []
    await api.json("DELETE", f"{PRESETS}/i/d1")
    assert [entry["name"] for entry in await api.json("GET", f"{PRESETS}/")] == ["Alpha"]


async def test_exported_csv_can_be_imported(api: LibraryApi) -> None:
    await api.json("POST", f"{PRESETS}/", data=form('Quote " and, comma', positive_prompt="a\nb {prompt}"))
    exported = await api.client.get(f"/api{PRESETS}/export")
    assert exported.headers["content-type"].startswith("text/csv")
    assert exported.text.splitlines()[0] == "name,prompt,negative_prompt"
    await api.json("POST", f"{PRESETS}/import", files={"file": ("p.csv", exported.content, "text/csv")})
    first, second = await api.json("GET", f"{PRESETS}/")
    assert (first["name"], first["preset_data"]) == (second["name"], second["preset_data"])


async def test_json_import_is_one_round_trip(api: LibraryApi) -> None:
    entries = [{"name": f"n{i}", "prompt": "{prompt}", "negative_prompt": ""} for i in range(120)]
    file = {"file": ("p.json", json.dumps(entries).encode(), "application/json")}
    with api.database.counted() as trips:
        await api.json("POST", f"{PRESETS}/import", files=file)
    assert trips.count == 1
    assert len(await api.json("GET", f"{PRESETS}/")) == 120


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("p.csv", b"name,text\na,b\n", "prompt"),
        ("p.csv", b"name,prompt,negative_prompt\ngood,x,y\n,x,y\n", "preset 2"),
        ("p.csv", b"name,prompt,negative_prompt\n", "no presets"),
        ("p.csv", b'name,prompt,negative_prompt\n"open', "CSV"),
        ("p.csv", b"\xff\xfe\x00", "UTF-8"),
        ("p.json", b"{", "JSON"),
        ("p.json", b'[{"name": "\\ud800", "prompt": "", "negative_prompt": ""}]', "JSON"),
        ("p.json", b"[" * 100_000, "JSON"),
        ("p.json", b"[1]", "objects"),
        ("p.json", b'[{"name": "a", "prompt": 5, "negative_prompt": ""}]', "Preset 1"),
    ],
)
async def test_a_bad_file_stores_nothing(api: LibraryApi, name: str, data: bytes, words: str) -> None:
    file = {"file": (name, data, "application/octet-stream")}
    assert words in await api.refusal("POST", f"{PRESETS}/import", 422, files=file)
    assert await api.json("GET", f"{PRESETS}/") == []


@pytest.mark.parametrize("changes", [{"name": ""}, {"name": "n" * 301}, {"extra": 1}, {"type": "default"}])
async def test_bad_presets_are_refused(api: LibraryApi, changes: dict[str, Any]) -> None:
    await api.refusal("POST", f"{PRESETS}/", 422, data=form(**changes))
    await api.refusal("POST", f"{PRESETS}/", 422, data={"data": "no json"})
    assert await api.json("GET", f"{PRESETS}/") == []
    for unknown in ("nope", "..%2Fx"):
        await api.refusal("PATCH", f"{PRESETS}/i/{unknown}", 404, data=form())
        await api.refusal("DELETE", f"{PRESETS}/i/{unknown}", 404)


async def test_a_file_that_is_no_picture_is_refused(api: LibraryApi) -> None:
    file = {"image": ("p.png", b"\x89PNG\r\n\x1a\n torn", "image/png")}
    assert "picture" in await api.refusal("POST", f"{PRESETS}/", 415, data=form(), files=file)
    assert await api.json("GET", f"{PRESETS}/") == []
