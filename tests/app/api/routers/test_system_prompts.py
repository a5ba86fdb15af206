"""System prompts over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.api.routers.system_prompts import system_prompts_router
from invokeai.app.services.library_defaults.default_library import sync_default_library
from invokeai.app.services.system_prompts.system_prompt_models import DEFAULT_SYSTEM_PROMPT_ID
from invokeai.app.services.system_prompts.system_prompt_records import SystemPromptRecords
from invokeai.app.services.system_prompts.system_prompt_service import SystemPromptService
from tests.app.api.library_api import LibraryApi, library_api

PROMPTS = "/v1/system_prompts"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    async with library_api(
        tmp_path,
        [system_prompts_router],
        system_prompts=lambda made: SystemPromptService(SystemPromptRecords(made.database)),
    ) as studio:
        await sync_default_library(studio.database, {})
        yield studio


async def test_the_default_prompt_is_first_and_stays(api: LibraryApi) -> None:
    first = (await api.json("GET", f"{PROMPTS}/"))[0]
    assert (first["id"], first["is_public"]) == (DEFAULT_SYSTEM_PROMPT_ID, True)
    assert "cannot be deleted" in await api.refusal("DELETE", f"{PROMPTS}/i/{DEFAULT_SYSTEM_PROMPT_ID}", 409)


async def test_create_change_delete(api: LibraryApi) -> None:
    made = await api.json("POST", f"{PROMPTS}/", json={"name": "Mine", "content": "You expand."})
    assert made["created_at"][10] == "T"
    path = f"{PROMPTS}/i/{made['id']}"
    changed = await api.json("PATCH", path, json={"name": "Renamed"})
    assert (changed["name"], changed["content"], changed["is_public"]) == ("Renamed", "You expand.", True)
    assert (await api.json("PATCH", path, json={"is_public": False}))["is_public"] is False
    assert await api.json("DELETE", path) is None
    await api.refusal("GET", path, 404)
    await api.refusal("PATCH", path, 404, json={"name": "x"})
    await api.refusal("DELETE", path, 404)


@pytest.mark.parametrize(
    "body", [{"name": "", "content": "x"}, {"name": "n" * 1_000_000, "content": "x"}, {"name": "n"}, {"a": 1}]
)
async def test_bad_prompts_are_refused(api: LibraryApi, body: dict[str, Any]) -> None:
    before = await api.json("GET", f"{PROMPTS}/")
    await api.refusal("POST", f"{PROMPTS}/", 422, json=body)
    assert await api.json("GET", f"{PROMPTS}/") == before
