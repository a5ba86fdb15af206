"""The settings as a Markdown table, as README shows them: `python -m invokeai.app.services.config.settings_table`."""

import sys
from pathlib import Path

from pydantic import SecretStr

from invokeai.app.services.config.config import PROVIDER_KEYS, AppConfig


def settings_table() -> str:
    """One row a setting: its name in `invokeai.yaml`, its default, what it does."""
    rows = ["| setting | default | what it does |", "| --- | --- | --- |"]
    for name, field in AppConfig.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = default.as_posix() if isinstance(default, Path) else "" if default in (None, {}, []) else default
        assert not isinstance(shown, SecretStr), "a secret has no default"
        rows.append(f"| `{name}` | {f'`{shown}`' if shown != '' else ''} | {field.description} |")
    keys = ", ".join(f"`{variable}`" for variable in PROVIDER_KEYS.values())
    return "\n".join(rows) + f"\n\nProvider keys are also read from {keys}.\n"


if __name__ == "__main__":
    sys.stdout.write(settings_table())
