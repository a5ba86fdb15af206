"""Providers are found by being there: built in, or a file in the root's `providers` folder."""

from collections import Counter
from pathlib import Path

import pytest

from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.registry import load_providers

PLUGIN = """
from invokeai.app.services.image_providers.capabilities import ExternalModelCapabilities
from invokeai.app.services.image_providers.image_model import ImageModel, ProviderInfo
from invokeai.app.services.image_providers.provider import ImageProvider

class Mine(ImageProvider):
    info = ProviderInfo(provider_id="{id}", display_name="Mine", description="", priority={priority}, default_model="m",
        models=(ImageModel(model_id="m", name="M", description="", capabilities=ExternalModelCapabilities()),))

    async def generate(self, request, model, receipt):
        raise NotImplementedError
"""


def ids(folder: Path | None) -> list[str]:
    return [provider.info.provider_id for provider in load_providers(lambda _: ProviderCredentials(), folder)]


def test_sketch_is_built_in_and_last() -> None:
    assert ids(None)[-1] == "sketch"


def test_no_two_models_look_the_same_in_a_list_of_names() -> None:
    providers = load_providers(lambda _: ProviderCredentials(), None)
    names = Counter(model.name.casefold() for provider in providers for model in provider.info.models)
    assert [name for name, models in names.items() if models > 1] == []


def test_a_file_in_the_folder_adds_a_provider_in_order_of_priority(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN.format(id="mine", priority=2000))
    assert ids(tmp_path)[-2:] == ["sketch", "mine"]


def test_a_users_provider_replaces_a_built_in_one_of_its_id(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN.format(id="sketch", priority=1))
    providers = load_providers(lambda _: ProviderCredentials(), tmp_path)
    assert [p.info.display_name for p in providers if p.info.provider_id == "sketch"] == ["Mine"]


def test_a_broken_file_is_reported_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a_broken.py").write_text("import this_does_not_exist_anywhere")
    (tmp_path / "mine.py").write_text(PLUGIN.format(id="mine", priority=1))
    assert "mine" in ids(tmp_path)
    assert "this_does_not_exist_anywhere" in caplog.text


def test_each_provider_is_asked_with_its_own_credentials(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN.format(id="mine", priority=1))
    providers = load_providers(lambda name: ProviderCredentials(api_key="k" if name == "mine" else None), tmp_path)
    assert {p.info.provider_id: p.is_available() for p in providers}["mine"]
