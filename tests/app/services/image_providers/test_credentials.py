"""Keys typed in the UI: kept in a file that only we can read; settings and environment win."""

import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from invokeai.app.services.config.config import AppConfig, ConfigurationError
from invokeai.app.services.image_providers.credentials import FILE_NAME, ProviderCredentialsStore
from invokeai.app.services.shared.errors import InvalidInput


def store_in(root: Path, **settings: Any) -> ProviderCredentialsStore:
    return ProviderCredentialsStore(AppConfig(root=root, **settings))


def test_a_key_survives_a_restart_in_a_file_of_our_own(tmp_path: Path) -> None:
    store_in(tmp_path).save("openai", {"api_key": " sk-1 ", "base_url": "http://127.0.0.1:1/"})
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    found = store_in(tmp_path).get("openai")
    assert (found.api_key, found.base_url) == ("sk-1", "http://127.0.0.1:1")


def test_what_is_not_named_stays_and_empty_removes(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.save("openai", {"api_key": "sk-1", "base_url": "https://a.example"})
    store.save("openai", {"api_key": "sk-2"})
    assert store.get("openai").api_key == "sk-2" and store.get("openai").base_url == "https://a.example"
    store.save("openai", {"base_url": None})
    assert store.get("openai").api_key is None and store.get("openai").base_url is None
    store.save("openai", {"api_key": ""})
    assert store.get("openai").api_key is None
    assert (tmp_path / FILE_NAME).read_text() == "{}"


def test_settings_win_over_what_was_typed(tmp_path: Path) -> None:
    store = store_in(
        tmp_path, provider_keys={"openai": SecretStr("sk-env")}, provider_base_urls={"openai": "https://b.example"}
    )
    store.save("openai", {"api_key": "sk-typed", "base_url": "https://a.example"})
    assert store.get("openai").api_key == "sk-env" and store.get("openai").base_url == "https://b.example"
    assert store.key_is_configured("openai") and not store.key_is_configured("gemini")


@pytest.mark.parametrize("changes", [{"api_key": "a b"}, {"api_key": "a\nb"}, {"api_key": "x" * 5000}])
@pytest.mark.parametrize("other", [{}, {"base_url": "ftp://x"}])
def test_what_is_no_key_or_address_is_refused_and_nothing_is_kept(
    tmp_path: Path, changes: dict[str, str], other: dict[str, str]
) -> None:
    with pytest.raises(InvalidInput):
        store_in(tmp_path).save("openai", {**changes, **other})
    assert not (tmp_path / FILE_NAME).exists()


def test_a_damaged_file_stops_the_start_with_its_name(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    with pytest.raises(ConfigurationError, match=FILE_NAME):
        store_in(tmp_path)
