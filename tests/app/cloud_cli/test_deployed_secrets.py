"""Secrets of a deployed studio: set at once, shown on a terminal alone, and what its providers need among them."""

import io
from pathlib import Path

import pytest

from invokeai.app.cloud_cli.deployment import PROVIDER_SETTINGS
from invokeai.app.services.config.config import load_config
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.image_providers.providers.workers_ai import WorkersAiImageService
from tests.app.cloud_cli.account import R2, Account, Terminal, token_in


def test_without_a_key_for_the_bucket_the_rest_is_done_and_the_remedy_told(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in R2:
        monkeypatch.delenv(name)
    code, said = account.deploy()
    assert code == 2 and "Secrets failed" in said and "Object Read & Write" in said
    assert "without the secret INVOKEAI_R2_ACCESS_KEY_ID and INVOKEAI_R2_SECRET_ACCESS_KEY." in said
    token = token_in(said)
    for name, value in R2.items():
        monkeypatch.setenv(name, value)
    code, said = account.deploy()
    assert code == 0, said
    assert account.secrets() == R2 | {"ACCESS_TOKEN": token}


def test_provider_keys_go_along_and_the_token_is_replaced_only_on_demand(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    first = token_in(account.deploy()[1])
    assert "OPENAI_API_KEY" not in account.secrets()
    code, said = account.deploy("--provider-keys")
    assert code == 0 and "sk-canary" not in said
    assert account.secrets() == R2 | {"ACCESS_TOKEN": first, "OPENAI_API_KEY": "sk-canary"}
    second = token_in(account.deploy("--new-access-token")[1])
    assert second != first and account.secrets()["ACCESS_TOKEN"] == second


def test_a_server_gets_what_its_providers_need_and_never_the_token_of_the_deployment(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "may-edit-the-account-canary")
    monkeypatch.setenv("WORKERS_AI_API_TOKEN", "workers-ai-canary")
    monkeypatch.setenv("INVOKEAI_PROVIDER_BASE_URLS", '{"openai_compatible": "https://mine.example"}')
    monkeypatch.setenv("INVOKEAI_PROVIDER_MODELS", '{"openai_compatible": "sdxl"}')
    code, said = account.deploy("--provider-keys")
    assert code == 0, said
    given = account.secrets()
    assert "may-edit-the-account-canary" not in account.state.read_text()
    assert "CLOUDFLARE_API_TOKEN" not in given and "workers-ai-canary" not in said
    for name in ("CLOUDFLARE_API_TOKEN", "WORKERS_AI_API_TOKEN", *PROVIDER_SETTINGS):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    server = load_config(str(tmp_path))
    assert {name: key.get_secret_value() for name, key in server.provider_keys.items()} == {
        "workers_ai": "workers-ai-canary"
    }
    assert server.provider_base_urls == {"openai_compatible": "https://mine.example"}
    assert server.provider_models == {"openai_compatible": ["sdxl"]}
    workers_ai = WorkersAiImageService(lambda: ProviderCredentials("workers-ai-canary", None))
    assert workers_ai.base_url() == "https://api.cloudflare.com/client/v4/accounts/acc1"


def test_a_new_key_of_the_bucket_goes_along_with_all_other_changes_at_once(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.deploy()
    account.set(calls=[])
    monkeypatch.setenv("INVOKEAI_R2_SECRET_ACCESS_KEY", "r2-new-canary")
    monkeypatch.setenv("FAL_KEY", "fal-canary")
    code, said = account.deploy("--provider-keys", "--new-access-token")
    assert code == 0, said
    changed = {
        "INVOKEAI_R2_SECRET_ACCESS_KEY": "r2-new-canary",
        "FAL_KEY": "fal-canary",
        "ACCESS_TOKEN": token_in(said),
    }
    assert account.secrets() == R2 | changed
    assert len([call for call in account.get()["calls"] if call.startswith("secret bulk")]) == 1


@pytest.mark.parametrize("missing", R2)
def test_half_a_key_of_the_bucket_changes_nothing(
    account: Account, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    code, said = account.deploy()
    assert code == 2 and "are one key" in said and account.get()["calls"] == []


def test_no_access_token_is_made_where_only_a_log_would_show_it(account: Account) -> None:
    code, said = account.deploy(out=io.StringIO())
    assert code == 2 and "Secrets failed" in said and "INVOKEAI_ACCESS_TOKEN" in said
    assert account.secrets() == R2
    code, said = account.deploy()
    assert code == 0 and account.secrets() == R2 | {"ACCESS_TOKEN": token_in(said)}
    first = account.secrets()
    code, said = account.deploy("--new-access-token", out=io.StringIO())
    assert code == 2 and account.secrets() == first


def test_an_access_token_that_was_given_is_set_and_never_shown(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for token, out in (("given-token-canary", Terminal()), ("another-token-canary", io.StringIO())):
        monkeypatch.setenv("INVOKEAI_ACCESS_TOKEN", token)
        code, said = account.deploy(out=out)
        assert code == 0 and token not in said and "the access token of INVOKEAI_ACCESS_TOKEN" in said
        assert account.secrets() == R2 | {"ACCESS_TOKEN": token}
    assert set(account.studio.asked) == {"/readyz"}


@pytest.mark.parametrize("token", ["too-short", "with a space in it", "mit-umläuten-darin"])
def test_an_access_token_that_no_header_carries_is_refused(
    account: Account, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("INVOKEAI_ACCESS_TOKEN", token)
    code, said = account.deploy()
    assert code == 2 and "16 or more" in said and token not in said and account.get()["calls"] == []
