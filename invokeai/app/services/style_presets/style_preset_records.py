"""SQL of style presets. Every method is one round trip."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from invokeai.app.services.shared.database.base import Database, Row, Statement
from invokeai.app.services.shared.sql_lists import json_list

_COLUMNS = "preset_id, user_id, type, name, positive_prompt, negative_prompt, is_public, image_id"
_GET = f"SELECT {_COLUMNS} FROM style_presets WHERE preset_id = ?"
_LIST = (
    f"SELECT {_COLUMNS} FROM style_presets WHERE type = 'default' OR user_id = ? OR is_public = 1 "
    "ORDER BY type = 'user', name COLLATE NOCASE, preset_id"
)
_INSERT = (
    f"INSERT INTO style_presets ({_COLUMNS}, created_at, updated_at) VALUES (?, ?, 'user', ?, ?, ?, 0, ?, ?, ?) "
    f"RETURNING {_COLUMNS}"
)
_INSERT_MANY = (
    f"INSERT INTO style_presets ({_COLUMNS}, created_at, updated_at) "
    "SELECT value->>0, ?, 'user', value->>1, value->>2, value->>3, 0, NULL, ?, ? FROM json_each(?) WHERE true"
)
_OLD_IMAGE = "SELECT image_id FROM style_presets WHERE preset_id = ?"
_UPDATE = (
    "UPDATE style_presets SET name = ?, positive_prompt = ?, negative_prompt = ?, image_id = ?, updated_at = ? "
    f"WHERE preset_id = ? AND type = 'user' RETURNING {_COLUMNS}"
)
_DELETE = "DELETE FROM style_presets WHERE preset_id = ? RETURNING image_id"
_PUT_DEFAULT = (
    f"INSERT INTO style_presets ({_COLUMNS}, created_at, updated_at) "
    "VALUES (?, 'system', 'default', ?, ?, ?, 0, NULL, ?, ?) ON CONFLICT (preset_id) DO UPDATE SET "
    "name = excluded.name, positive_prompt = excluded.positive_prompt, negative_prompt = excluded.negative_prompt, "
    "updated_at = excluded.updated_at"
)
_DROP_DEFAULTS = (
    "DELETE FROM style_presets WHERE type = 'default' AND preset_id NOT IN (SELECT value FROM json_each(?))"
)


@dataclass(frozen=True, slots=True)
class StylePresetTexts:
    """Name and texts of a preset."""

    name: str
    positive_prompt: str
    negative_prompt: str


class StylePresetRecords:
    """Rows of style presets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, preset_id: str) -> Row | None:
        """One preset."""
        return await self._database.fetch_one(_GET, preset_id)

    async def list_for(self, user_id: str) -> list[Row]:
        """Default presets, then the user's, each by name."""
        return await self._database.fetch(_LIST, user_id)

    async def insert(
        self, preset_id: str, user_id: str, texts: StylePresetTexts, image_id: str | None, now: str
    ) -> Row:
        """A new user preset."""
        values = (preset_id, user_id, texts.name, texts.positive_prompt, texts.negative_prompt, image_id, now, now)
        return (await self._database.fetch(_INSERT, *values))[0]

    async def insert_many(self, user_id: str, presets: Mapping[str, StylePresetTexts], now: str) -> None:
        """New user presets (id to texts) without pictures, all or none."""
        rows = [(key, texts.name, texts.positive_prompt, texts.negative_prompt) for key, texts in presets.items()]
        await self._database.execute(_INSERT_MANY, user_id, now, now, orjson.dumps(rows).decode())

    async def update(
        self, preset_id: str, texts: StylePresetTexts, image_id: str | None, now: str
    ) -> tuple[Row | None, str | None]:
        """Change a user preset; its new row (None when there is no such one) and the picture it had."""
        params = (texts.name, texts.positive_prompt, texts.negative_prompt, image_id, now, preset_id)
        old, new = await self._database.batch([Statement(_OLD_IMAGE, (preset_id,)), Statement(_UPDATE, params)])
        before = old.rows[0]["image_id"] if old.rows else None
        return (new.rows[0] if new.rows else None), (None if before is None else str(before))

    async def delete(self, preset_id: str) -> Row | None:
        """Remove a preset; its picture, or None when there is no such preset."""
        return await self._database.fetch_one(_DELETE, preset_id)


def default_statements(defaults: dict[str, StylePresetTexts], now: str) -> list[Statement]:
    """Writes that make the stored default presets equal to `defaults` (id to texts)."""
    writes = [
        Statement(_PUT_DEFAULT, (key, texts.name, texts.positive_prompt, texts.negative_prompt, now, now))
        for key, texts in defaults.items()
    ]
    return [*writes, Statement(_DROP_DEFAULTS, (json_list(list(defaults)),))]
