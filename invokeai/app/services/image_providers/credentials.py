"""Keys and addresses of providers. Settings and environment win over what was typed in the UI.

Keys typed in the UI live in one file that only the server's user can read, and never leave it again. A key, wherever it
comes from, is sent to the address that it was given for: whoever changes the address has to bring a key for it.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from invokeai.app.services.config.config import PROVIDER_KEYS, AppConfig, ConfigurationError
from invokeai.app.services.image_providers.key_addresses import OWN, address_of, checked_base_url, is_for
from invokeai.app.services.image_providers.key_ring import key_in_use
from invokeai.app.services.image_providers.provider import ImageProvider, ProviderCredentials
from invokeai.app.services.shared.errors import InvalidInput, NotAvailableHere

FILE_NAME = "api_keys.yaml"
"""The name that the web UI tells its users; the JSON in it is YAML too."""
KEY_ADDRESS = "key_address"
MAX_CHARACTERS = 4096


class ProviderCredentialsStore:
    """What is in force for each provider, and what was typed in."""

    def __init__(self, config: AppConfig) -> None:
        self._config = config
        self._path = config.root_path / FILE_NAME
        self._typed: dict[str, dict[str, str]] = _read(self._path)
        self._providers: Mapping[str, ImageProvider] = {}
        self._given_out: dict[tuple[str, str], str] = {}
        """The address in force when a key was chosen for a call, as that may change while the call lasts."""
        for provider_id, values in self._typed.items():
            values.setdefault(KEY_ADDRESS, self._address(provider_id))  # of a file that does not tell yet

    def serve(self, providers: Sequence[ImageProvider]) -> None:
        """Learn from the providers which addresses are their own: without that every base URL is a stranger's."""
        self._providers = {provider.info.provider_id: provider for provider in providers}

    def get(self, provider_id: str) -> ProviderCredentials:
        """Key and address in force: of several keys the one chosen for the call of this task, else the first."""
        keys, chosen = self.keys(provider_id), key_in_use(provider_id)
        given_out = self._given_out.get((provider_id, chosen)) if chosen else None
        if given_out is None or not self._is_for(given_out, provider_id):
            chosen = next(iter(keys), None)
        return ProviderCredentials(
            api_key=chosen,
            base_url=self._base_url(provider_id),
            models=tuple(self._config.provider_models.get(provider_id, ())),
            result_hosts=tuple(self._config.provider_result_hosts.get(provider_id, ())),
            options=self._config.provider_options.get(provider_id, {}),
            key_is_for_another_address=not keys and self._has_key(provider_id),
        )

    def keys(self, provider_id: str) -> list[str]:
        """Every key in force: several stand between commas. None that belongs to another address."""
        text = ""
        if self.key_is_configured(provider_id):
            text = self._config.provider_keys[provider_id].get_secret_value()
        elif self._is_for(self._typed.get(provider_id, {}).get(KEY_ADDRESS, OWN), provider_id):
            text = self._typed.get(provider_id, {}).get("api_key", "")
        keys = [key.strip() for key in text.split(",") if key.strip()]
        self._given_out.update(((provider_id, key), self._address(provider_id)) for key in keys)
        return keys

    def key_is_configured(self, provider_id: str, changes: Mapping[str, str | None] | None = None) -> bool:
        """Whether settings or environment hold the key of the address in force (after `changes`): no other counts."""
        of_key = address_of(self._config.provider_base_urls.get(provider_id))
        return provider_id in self._config.provider_keys and self._is_for(of_key, provider_id, changes)

    def save(self, provider_id: str, changes: dict[str, str | None]) -> None:
        """Take over `api_key` and `base_url` from `changes`; None or an empty text removes.

        A key is for the address that is then in force, and rests while another one is.

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
                values[name] = self._checked(provider_id, name, value.strip())
            else:
                values.pop(name, None)
        if changes.get("api_key"):
            values[KEY_ADDRESS] = self._address(provider_id, values)
        elif "api_key" not in values:
            values.pop(KEY_ADDRESS, None)
        typed = {**self._typed, provider_id: values}
        if not values:
            del typed[provider_id]
        _write(self._path, typed)
        self._typed = typed

    def _has_key(self, provider_id: str) -> bool:
        return provider_id in self._config.provider_keys or "api_key" in self._typed.get(provider_id, {})

    def _is_for(self, key_address: str, provider_id: str, changes: Mapping[str, str | None] | None = None) -> bool:
        return is_for(key_address, self._address(provider_id, changes), self._providers.get(provider_id))

    def _address(self, provider_id: str, changes: Mapping[str, str | None] | None = None) -> str:
        return address_of(self._base_url(provider_id, changes))

    def _base_url(self, provider_id: str, changes: Mapping[str, str | None] | None = None) -> str | None:
        typed = {**self._typed.get(provider_id, {}), **(changes or {})}.get("base_url")
        return self._config.provider_base_urls.get(provider_id) or typed

    def _checked(self, provider_id: str, name: str, value: str) -> str:
        if len(value) > MAX_CHARACTERS or any(not letter.isprintable() or letter.isspace() for letter in value):
            raise InvalidInput(f"The {name.replace('_', ' ')} has spaces or control characters, or is too long.")
        return checked_base_url(value, self._providers.get(provider_id)) if name == "base_url" else value


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
