"""Keys and addresses of providers. Settings and environment win over what was typed in the UI.

Keys typed in the UI live in one file that only the server's user can read, and never leave it again.
"""

import json
import os
from pathlib import Path

from invokeai.app.services.config.config import PROVIDER_KEYS, AppConfig, ConfigurationError
from invokeai.app.services.image_providers.key_ring import key_in_use
from invokeai.app.services.image_providers.provider import ProviderCredentials
from invokeai.app.services.shared.errors import InvalidInput, NotAvailableHere

FILE_NAME = "api_keys.yaml"
"""The name that the web UI tells its users; the JSON in it is YAML too."""
MAX_CHARACTERS = 4096


class ProviderCredentialsStore:
    """What is in force for each provider, and what was typed in."""

    def __init__(self, config: AppConfig) -> None:
        self._config = config
        self._path = config.root_path / FILE_NAME
        self._typed: dict[str, dict[str, str]] = _read(self._path)

    def get(self, provider_id: str) -> ProviderCredentials:
        """Key and address in force: of several keys the one chosen for the call of this task, else the first."""
        typed = self._typed.get(provider_id, {})
        return ProviderCredentials(
            api_key=key_in_use(provider_id) or next(iter(self.keys(provider_id)), None),
            base_url=self._config.provider_base_urls.get(provider_id) or typed.get("base_url"),
            models=tuple(self._config.provider_models.get(provider_id, ())),
            result_hosts=tuple(self._config.provider_result_hosts.get(provider_id, ())),
            options=self._config.provider_options.get(provider_id, {}),
        )

    def keys(self, provider_id: str) -> list[str]:
        """Every key in force: several stand between commas."""
        configured = self._config.provider_keys.get(provider_id)
        text = configured.get_secret_value() if configured else self._typed.get(provider_id, {}).get("api_key", "")
        return [key.strip() for key in text.split(",") if key.strip()]

    def key_is_configured(self, provider_id: str) -> bool:
        """Whether settings or environment hold the key, so that one typed in the UI would not count."""
        return provider_id in self._config.provider_keys

    def save(self, provider_id: str, changes: dict[str, str | None]) -> None:
        """Take over `api_key` and `base_url` from `changes`; None or an empty text removes.

        Raises:
            InvalidInput: a value is no key or no address.
            NotAvailableHere: this studio keeps nothing on its own disk.
        """
        if self._config.image_storage != "disk":
            raise NotAvailableHere(
                "This studio keeps nothing on its own disk, so it cannot keep a key that is typed in. "
                f"Set {PROVIDER_KEYS.get(provider_id, 'INVOKEAI_PROVIDER_KEYS')} in its environment instead."
            )
        values = dict(self._typed.get(provider_id, {}))
        for name, value in changes.items():
            if value and value.strip():
                values[name] = _checked(name, value.strip())
            else:
                values.pop(name, None)
        typed = {**self._typed, provider_id: values}
        if not values:
            del typed[provider_id]
        _write(self._path, typed)
        self._typed = typed


def _checked(name: str, value: str) -> str:
    if len(value) > MAX_CHARACTERS or any(not character.isprintable() or character.isspace() for character in value):
        raise InvalidInput(f"The {name.replace('_', ' ')} has spaces or control characters, or is too long.")
    if name == "base_url" and not value.startswith(("https://", "http://")):
        raise InvalidInput("The base URL must start with https:// or http://.")
    return value.rstrip("/") if name == "base_url" else value


def _read(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    try:
        values: dict[str, dict[str, str]] = json.loads(path.read_text())
    except ValueError:
        raise ConfigurationError(f"{path} is damaged. Delete it and enter the provider keys again.") from None
    return values


def _write(path: Path, values: dict[str, dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
