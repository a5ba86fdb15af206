"""An empty account, and a person who has the bucket's key and nothing else in the environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from invokeai.app.cloud_cli.deployment import PROVIDER_SETTINGS
from invokeai.app.services.config.config import PROVIDER_KEYS
from tests.app.cloud_cli.account import R2, Account
from tests.simulators.deployed_studio import CERTIFICATE, DeployedStudio, deployed_studio


@pytest.fixture(scope="session")
def studio() -> Iterator[DeployedStudio]:
    with deployed_studio() as studio:
        yield studio


@pytest.fixture
def account(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, studio: DeployedStudio
) -> Account:
    own = ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN", "INVOKEAI_ACCESS_TOKEN")
    for name in (*own, *PROVIDER_KEYS.values(), *PROVIDER_SETTINGS):
        monkeypatch.delenv(name, raising=False)
    for name, value in R2.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SIMULATED_ACCOUNT", str(tmp_path / "account.json"))
    monkeypatch.setenv("WRANGLER_DOCKER_BIN", str(tmp_path / "wrangler"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return Account(tmp_path, capfd, studio)
