"""Facts about the server, and the settings that change while it runs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from invokeai.app.api.routers.app_info import app_info_router
from invokeai.app.services.app_info.runtime_settings import RuntimeSettings
from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.image_providers.credentials import ProviderCredentialsStore
from invokeai.app.services.library_defaults.library_facts import load_facts
from tests.app.api.library_api import LibraryApi, library_api

CONFIG = "/v1/app/runtime_config"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[LibraryApi]:
    async with library_api(
        tmp_path,
        [app_info_router],
        provider_credentials=lambda made: ProviderCredentialsStore(made.config),
        runtime_settings=lambda made: RuntimeSettings(made.config, made.database, {}),
    ) as studio:
        yield studio


async def test_version_and_packages(api: LibraryApi) -> None:
    assert await api.json("GET", "/v1/app/version") == {"version": "6.14.2"}
    packages = await api.json("GET", "/v1/app/app_deps")
    assert {"Python", "fastapi", "pydantic", "pillow"} <= packages.keys()
    assert await api.json("GET", "/v1/app/patchmatch_status") is False


async def test_log_level_is_changed_and_read_back(api: LibraryApi) -> None:
    before = await api.json("GET", "/v1/app/logging")
    assert await api.json("POST", "/v1/app/logging", json=40) == 40
    assert await api.json("GET", "/v1/app/logging") == 40
    await api.json("POST", "/v1/app/logging", json=before)
    await api.refusal("POST", "/v1/app/logging", 422, json=15)


async def test_keys_are_masked(api: LibraryApi) -> None:
    api.services.config.provider_keys = {"gemini": SecretStr("very-secret")}
    answer = await api.client.get(f"/api{CONFIG}")
    assert "very-secret" not in answer.text
    body = answer.json()
    assert body["config"]["external_gemini_api_key"] == "**********"
    assert body["config"]["external_openai_api_key"] is None
    assert "external_gemini_api_key" in body["set_fields"]


async def test_a_change_is_in_force_and_outlives_a_restart(api: LibraryApi) -> None:
    body = await api.json("PATCH", CONFIG, json={"max_queue_history": 50, "generation_devices": ["cpu"]})
    assert (body["config"]["max_queue_history"], body["config"]["generation_devices"]) == (50, ["cpu"])
    assert api.services.config.max_queue_history == 50
    restarted = AppConfig(root=api.root)
    settings = RuntimeSettings(restarted, api.database, await load_facts(api.database))
    assert (restarted.max_queue_history, settings.generation_devices) == (50, ["cpu"])
    await api.json("PATCH", CONFIG, json={"max_queue_history": None})
    assert api.services.config.max_queue_history is None


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"port": 1}, 422, "Extra"),
        ({"max_queue_history": -1}, 422, "greater"),
        ({"max_queue_history": 2**70}, 422, "less"),
        ({"generation_devices": ["cuda:0"]}, 422, "cpu"),
        ({"generation_devices": []}, 422, "cpu"),
        ({"image_subfolder_strategy": "date"}, 400, "flat"),
    ],
)
async def test_what_cannot_be_set_is_refused(api: LibraryApi, changes: dict[str, Any], status: int, words: str) -> None:
    assert words in await api.refusal("PATCH", CONFIG, status, json={"max_queue_history": 7, **changes})
    assert api.services.config.max_queue_history is None
    assert await load_facts(api.database) == {}


async def test_a_setting_of_the_operator_is_not_overruled(api: LibraryApi) -> None:
    config = AppConfig(root=api.root, max_queue_history=5)
    api.services.config = config
    api.services.runtime_settings = RuntimeSettings(config, api.database, {"setting:max_queue_history": "9"})
    assert config.max_queue_history == 5
    assert "invokeai.yaml" in await api.refusal("PATCH", CONFIG, 409, json={"max_queue_history": 9})
