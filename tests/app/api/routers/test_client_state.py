"""State of the UI is given back to the letter."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from invokeai.app.api.routers.client_state import client_state_router
from invokeai.app.services.client_state.client_state import PART_LENGTH, ClientStateService
from tests.app.api.library_api import LibraryApi, library_api

TEXT = {"content-type": "text/plain;charset=UTF-8"}
STATE = "/v1/client_state/default"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    async with library_api(
        tmp_path, [client_state_router], client_state=lambda s: ClientStateService(s.database)
    ) as studio:
        yield studio


async def test_a_slice_comes_back_as_the_text_that_was_sent(api: LibraryApi) -> None:
    sent = '{"_version":5, "name":"Grüße","n":[1,2]}'
    answer = await api.json("POST", f"{STATE}/set_by_key?key=ui", content=sent.encode(), headers=TEXT)
    assert answer == sent
    assert await api.json("GET", f"{STATE}/get_by_key?key=ui") == sent
    assert await api.json("GET", "/v1/client_state/other-queue/get_by_key?key=ui") == sent


async def test_nothing_stored_is_null(api: LibraryApi) -> None:
    assert await api.json("GET", f"{STATE}/get_by_key?key=params") is None


async def test_a_json_string_is_unwrapped_and_other_json_refused(api: LibraryApi) -> None:
    assert await api.json("POST", f"{STATE}/set_by_key?key=zz", json="hello") == "hello"
    assert "string" in await api.refusal("POST", f"{STATE}/set_by_key?key=zz", 422, json={"a": 1})
    assert await api.json("GET", f"{STATE}/get_by_key?key=zz") == "hello"


async def test_a_shorter_value_leaves_nothing_of_a_longer_one(api: LibraryApi) -> None:
    long = "Käse" * PART_LENGTH
    await api.json("POST", f"{STATE}/set_by_key?key=canvas", content=long.encode(), headers=TEXT)
    assert await api.json("GET", f"{STATE}/get_by_key?key=canvas") == long
    await api.json("POST", f"{STATE}/set_by_key?key=canvas", content=b"short", headers=TEXT)
    assert await api.json("GET", f"{STATE}/get_by_key?key=canvas") == "short"
    await api.json("POST", f"{STATE}/set_by_key?key=canvas", content=b"", headers=TEXT)
    assert await api.json("GET", f"{STATE}/get_by_key?key=canvas") == ""


async def test_keys_by_prefix_take_the_prefix_literally(api: LibraryApi) -> None:
    for key in ("canvas_snapshot:2", "canvas_snapshot:1", "canvasXsnapshot:3", "ui"):
        await api.json("POST", f"{STATE}/set_by_key", params={"key": key}, content=b"{}", headers=TEXT)
    found = await api.json("GET", f"{STATE}/get_keys_by_prefix?prefix=canvas_snapshot:")
    assert found == ["canvas_snapshot:1", "canvas_snapshot:2"]


async def test_delete_one_then_all(api: LibraryApi) -> None:
    for key in ("a", "b", "c"):
        await api.json("POST", f"{STATE}/set_by_key?key={key}", content=b"1", headers=TEXT)
    assert await api.json("POST", f"{STATE}/delete_by_key?key=a") is None
    assert await api.json("GET", f"{STATE}/get_keys_by_prefix?prefix=") == ["b", "c"]
    assert await api.json("POST", f"{STATE}/delete") is None
    assert await api.json("GET", f"{STATE}/get_keys_by_prefix?prefix=") == []


async def test_bad_keys_and_bytes_are_refused_with_a_sentence(api: LibraryApi) -> None:
    assert "300" in await api.refusal("POST", f"{STATE}/set_by_key", 422, params={"key": "k" * 301}, content=b"1")
    assert "300" in await api.refusal("POST", f"{STATE}/set_by_key?key=", 422, content=b"1")
    assert "UTF-8" in await api.refusal("POST", f"{STATE}/set_by_key?key=k", 422, content=b"\xff\xfe")
    assert await api.json("GET", f"{STATE}/get_keys_by_prefix?prefix=") == []


async def test_every_call_is_one_round_trip(api: LibraryApi) -> None:
    with api.database.counted() as trips:
        await api.json("POST", f"{STATE}/set_by_key?key=k", content=b"x" * (3 * PART_LENGTH), headers=TEXT)
    assert trips.count == 1
    with api.database.counted() as trips:
        await api.json("GET", f"{STATE}/get_by_key?key=k")
        await api.json("GET", f"{STATE}/get_keys_by_prefix?prefix=k")
        await api.json("POST", f"{STATE}/delete_by_key?key=k")
        await api.json("POST", f"{STATE}/delete")
    assert trips.count == 4
