"""What a new library holds: shipped workflows, style presets and system prompts, from the files beside this module.

They are written in one batch when the files differ from what was written last, and not at all otherwise.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from invokeai.app.services.library_defaults.library_facts import fact_statement
from invokeai.app.services.shared.database.base import Database, Statement
from invokeai.app.services.shared.timestamps import timestamp

FOLDER = Path(__file__).parent
DIGEST_FACT = "default_library"


async def sync_default_library(database: Database, facts: Mapping[str, str], folder: Path = FOLDER) -> bool:
    """Bring the shipped entries up to date; whether there was something to do. No or one round trip."""
    files = await asyncio.to_thread(_files, folder)
    digest = hashlib.sha256(b"".join(name.encode() + b"\0" + data + b"\0" for name, data in files.items())).hexdigest()
    if facts.get(DIGEST_FACT) == digest:
        return False
    contents = {name: orjson.loads(data) for name, data in files.items()}
    await database.batch([*_statements(contents), fact_statement(DIGEST_FACT, digest)])
    return True


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.json"))}


def _statements(contents: Mapping[str, Any]) -> list[Statement]:
    # imported here: only a changed library needs them at the start
    from invokeai.app.services.style_presets import style_preset_records
    from invokeai.app.services.system_prompts import system_prompt_records
    from invokeai.app.services.workflow_records import workflow_record_store
    from invokeai.app.services.workflow_records.workflow_models import Workflow
    from invokeai.app.services.workflow_records.workflow_service import columns_of

    now = timestamp()
    workflows = [Workflow.model_validate(value) for name, value in contents.items() if name.startswith("workflows/")]
    presets = {
        entry["id"]: style_preset_records.StylePresetTexts(entry["name"], entry["prompt"], entry["negative_prompt"])
        for entry in contents.get("style_presets.json", [])
    }
    prompts = {entry["id"]: (entry["name"], entry["content"]) for entry in contents.get("system_prompts.json", [])}
    return [
        *workflow_record_store.default_statements({w.id: columns_of(w, w.id) for w in workflows}, now),
        *style_preset_records.default_statements(presets, now),
        *system_prompt_records.default_statements(prompts, now),
    ]
