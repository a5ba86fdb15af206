"""Shipped entries are written when they differ from what was written last, and only then."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.services.library_defaults.default_library import FOLDER, sync_default_library
from invokeai.app.services.library_defaults.library_facts import load_facts
from tests.app.services.shared.database.counting_database import CountingDatabase
from tests.storage_engines import empty_database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[CountingDatabase]:
    counting = CountingDatabase(empty_database(tmp_path / "library.db"))
    await counting.migrate()
    yield counting
    await counting.close()


def shipped(folder: Path, presets: list[str], workflows: list[str]) -> Path:
    entries = [{"id": name, "name": name, "prompt": "{prompt}", "negative_prompt": ""} for name in presets]
    folder.mkdir(exist_ok=True)
    (folder / "style_presets.json").write_text(json.dumps(entries))
    (folder / "workflows").mkdir(exist_ok=True)
    for old in (folder / "workflows").iterdir():
        old.unlink()
    for name in workflows:
        (folder / "workflows" / f"{name}.json").write_text(json.dumps(workflow(name)))
    return folder


def workflow(name: str) -> dict[str, Any]:
    texts = dict.fromkeys(("author", "description", "version", "contact", "tags", "notes"), "")
    meta = {"version": "4.0.0", "category": "default"}
    lists: dict[str, Any] = {"exposedFields": [], "nodes": [], "edges": [], "form": None}
    return {**texts, **lists, "id": f"default_{name}", "name": name, "meta": meta}


async def ids(database: CountingDatabase, table: str, column: str) -> list[str]:
    return sorted(str(row[column]) for row in await database.fetch(f"SELECT {column} FROM {table}"))


async def test_first_start_is_one_batch_and_the_next_none(database: CountingDatabase) -> None:
    with database.counted() as trips:
        assert await sync_default_library(database, await load_facts(database)) is True
    assert trips.count == 2  # the facts, the batch
    with database.counted() as trips:
        assert await sync_default_library(database, await load_facts(database)) is False
    assert trips.count == 1


async def test_changed_entries_are_replaced_and_vanished_ones_deleted(
    database: CountingDatabase, tmp_path: Path
) -> None:
    folder = shipped(tmp_path / "shipped", ["a", "b"], ["one", "two"])
    await sync_default_library(database, {}, folder)
    await database.execute("UPDATE workflows SET opened_at = 'then' WHERE workflow_id = 'default_one'")
    folder = shipped(folder, ["b", "c"], ["one", "three"])
    await sync_default_library(database, await load_facts(database), folder)
    assert await ids(database, "style_presets", "preset_id") == ["b", "c"]
    assert await ids(database, "workflows", "workflow_id") == ["default_one", "default_three"]
    opened = await database.fetch_one("SELECT opened_at FROM workflows WHERE workflow_id = 'default_one'")
    assert opened == {"opened_at": "then"}


async def test_a_changed_system_prompt_keeps_the_text_of_the_user(database: CountingDatabase) -> None:
    await sync_default_library(database, {})
    await database.execute("UPDATE system_prompts SET content = 'mine'")
    await sync_default_library(database, {})
    assert await ids(database, "system_prompts", "content") == ["mine"] * 3


def test_the_shipped_files_are_complete() -> None:
    presets = json.loads((FOLDER / "style_presets.json").read_text())
    assert all("{prompt}" in preset["prompt"] for preset in presets)
    assert len({preset["id"] for preset in presets}) == len(presets)
