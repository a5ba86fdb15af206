"""SQL of the workflow library. Lists and counts are computed in the database; default workflows are never changed.

Every method is one round trip.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from invokeai.app.services.shared.database.base import Database, Row, SqlValue, Statement
from invokeai.app.services.shared.pagination import SQLiteDirection
from invokeai.app.services.shared.sql_lists import json_list
from invokeai.app.services.workflow_records.workflow_models import WorkflowCategory, WorkflowRecordOrderBy

_LISTED = (
    "workflow_id, user_id, category, name, description, tags, callable_reason, is_public, thumbnail_id, "
    "created_at, updated_at, opened_at"
)
_WHOLE = f"{_LISTED}, workflow"
_GET = f"SELECT {_WHOLE} FROM workflows WHERE workflow_id = ?"
_INSERT = (
    "INSERT INTO workflows (workflow_id, user_id, category, name, description, tags, callable_reason, is_public, "
    f"workflow, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING {_WHOLE}"
)
_UPDATE = (
    "UPDATE workflows SET name = ?, description = ?, tags = ?, callable_reason = ?, workflow = ?, updated_at = ? "
    f"WHERE workflow_id = ? AND category = 'user' RETURNING {_WHOLE}"
)
_SHARE = (
    "UPDATE workflows SET is_public = ?, tags = ?, workflow = json_set(workflow, '$.tags', ?), updated_at = ? "
    f"WHERE workflow_id = ? AND category = 'user' RETURNING {_WHOLE}"
)
_OPENED = "UPDATE workflows SET opened_at = ? WHERE workflow_id = ?"
_OLD_THUMBNAIL = "SELECT thumbnail_id FROM workflows WHERE workflow_id = ? AND category = 'user'"
_SET_THUMBNAIL = f"UPDATE workflows SET thumbnail_id = ? WHERE workflow_id = ? AND category = 'user' RETURNING {_WHOLE}"
_DELETE = "DELETE FROM workflows WHERE workflow_id = ? AND category = 'user' RETURNING user_id, is_public, thumbnail_id"
_PUT_DEFAULT = (
    "INSERT INTO workflows (workflow_id, user_id, category, name, description, tags, callable_reason, is_public, "
    "workflow, created_at, updated_at) VALUES (?, 'system', 'default', ?, ?, ?, ?, 0, ?, ?, ?) "
    "ON CONFLICT (workflow_id) DO UPDATE SET name = excluded.name, description = excluded.description, "
    "tags = excluded.tags, callable_reason = excluded.callable_reason, workflow = excluded.workflow, "
    "updated_at = excluded.updated_at WHERE workflow <> excluded.workflow"
)
_DROP_DEFAULTS = (
    "DELETE FROM workflows WHERE category = 'default' AND workflow_id NOT IN (SELECT value FROM json_each(?))"
)


@dataclass(frozen=True, slots=True)
class WorkflowColumns:
    """The columns that follow from a workflow's content; `workflow` is its JSON text."""

    name: str
    description: str
    tags: str
    callable_reason: str
    workflow: str

    def values(self) -> tuple[str, ...]:
        """The columns in order."""
        return tuple(getattr(self, column.name) for column in fields(self))


@dataclass(frozen=True, slots=True)
class WorkflowFilter:
    """Which workflows: None means no condition. Several tags mean any of them, found inside the tag text."""

    user_id: str
    categories: Sequence[WorkflowCategory] | None = None
    tags: Sequence[str] | None = None
    query: str | None = None
    has_been_opened: bool | None = None
    is_public: bool | None = None
    is_callable: bool | None = None

    def where(self) -> tuple[str, tuple[SqlValue, ...]]:
        """The SQL condition and its parameters."""
        conditions = ["(user_id = ? OR is_public = 1 OR category = 'default')"]
        params: list[SqlValue] = [self.user_id]
        if self.categories is not None:
            conditions.append("category IN (SELECT value FROM json_each(?))")
            params.append(json_list(self.categories))
        if self.tags:
            conditions.append("EXISTS (SELECT 1 FROM json_each(?) AS t WHERE instr(lower(tags), lower(t.value)) > 0)")
            params.append(json_list(self.tags))
        if self.query and self.query.strip():
            conditions.append("instr(lower(name || char(10) || description || char(10) || tags), lower(?)) > 0")
            params.append(self.query.strip())
        if self.has_been_opened is not None:
            conditions.append("opened_at IS NOT NULL" if self.has_been_opened else "opened_at IS NULL")
        if self.is_public is not None:
            conditions.append("is_public = ?")
            params.append(int(self.is_public))
        if self.is_callable is not None:
            conditions.append("callable_reason = 'ok'" if self.is_callable else "callable_reason <> 'ok'")
        return " AND ".join(conditions), tuple(params)


class WorkflowRecordStore:
    """Rows of workflows. Rows of a list have no `workflow` column."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, workflow_id: str) -> Row | None:
        """One workflow."""
        return await self._database.fetch_one(_GET, workflow_id)

    async def insert(self, workflow_id: str, user_id: str, columns: WorkflowColumns, is_public: bool, now: str) -> Row:
        """A new user workflow."""
        name, description, tags, reason, workflow = columns.values()
        rows = await self._database.fetch(
            _INSERT, workflow_id, user_id, "user", name, description, tags, reason, int(is_public), workflow, now, now
        )
        return rows[0]

    async def update(self, workflow_id: str, columns: WorkflowColumns, now: str) -> Row | None:
        """Other content for a user workflow; None when there is no such one."""
        return await self._database.fetch_one(_UPDATE, *columns.values(), now, workflow_id)

    async def share(self, workflow_id: str, is_public: bool, tags: str, now: str) -> Row | None:
        """Share or stop sharing a user workflow, with the tags that go with it."""
        return await self._database.fetch_one(_SHARE, int(is_public), tags, tags, now, workflow_id)

    async def set_opened(self, workflow_id: str, now: str) -> bool:
        """Note that it was opened; whether it is there."""
        return (await self._database.execute(_OPENED, now, workflow_id)).rowcount > 0

    async def set_thumbnail(self, workflow_id: str, thumbnail_id: str | None) -> tuple[Row | None, str | None]:
        """Point a user workflow at a thumbnail; its new row (None when there is no such one) and the old thumbnail."""
        old, new = await self._database.batch(
            [Statement(_OLD_THUMBNAIL, (workflow_id,)), Statement(_SET_THUMBNAIL, (thumbnail_id, workflow_id))]
        )
        before = old.rows[0]["thumbnail_id"] if old.rows else None
        return (new.rows[0] if new.rows else None), (None if before is None else str(before))

    async def delete(self, workflow_id: str) -> Row | None:
        """Remove a user workflow; its owner, sharing and thumbnail, or None when there is no such one."""
        return await self._database.fetch_one(_DELETE, workflow_id)

    async def page(
        self,
        chosen: WorkflowFilter,
        order_by: WorkflowRecordOrderBy,
        direction: SQLiteDirection,
        limit: int,
        offset: int,
    ) -> tuple[int, list[Row]]:
        """How many match, and the rows of one page. `limit` -1 means all."""
        where, params = chosen.where()
        order = f"ORDER BY {order_by.value} {direction.value}, name COLLATE NOCASE, workflow_id"
        counted, listed = await self._database.batch(
            [
                Statement(f"SELECT count(*) AS n FROM workflows WHERE {where}", params),
                Statement(
                    f"SELECT {_LISTED} FROM workflows WHERE {where} {order} LIMIT ? OFFSET ?", (*params, limit, offset)
                ),
            ]
        )
        return int(str(counted.rows[0]["n"])), listed.rows

    async def tag_texts(self, chosen: WorkflowFilter) -> list[str]:
        """The tag text of every workflow that has one."""
        where, params = chosen.where()
        rows = await self._database.fetch(f"SELECT DISTINCT tags FROM workflows WHERE {where} AND tags <> ''", *params)
        return [str(row["tags"]) for row in rows]

    async def counts_by_tag(self, chosen: WorkflowFilter, tags: Sequence[str]) -> dict[str, int]:
        """How many workflows hold each tag inside their tag text, upper and lower case being the same."""
        where, params = chosen.where()
        rows = await self._database.fetch(
            f"SELECT t.value AS tag, (SELECT count(*) FROM workflows WHERE {where} "
            "AND instr(lower(tags), lower(t.value)) > 0) AS n FROM json_each(?) AS t",
            *params,
            json_list(tags),
        )
        return {str(row["tag"]): int(str(row["n"])) for row in rows}

    async def counts_by_category(self, chosen: WorkflowFilter) -> dict[str, int]:
        """How many workflows of each category."""
        where, params = chosen.where()
        rows = await self._database.fetch(
            f"SELECT category, count(*) AS n FROM workflows WHERE {where} GROUP BY category", *params
        )
        return {str(row["category"]): int(str(row["n"])) for row in rows}


def default_statements(defaults: dict[str, WorkflowColumns], now: str) -> list[Statement]:
    """Writes that make the stored default workflows equal to `defaults` (id to content)."""
    writes = [Statement(_PUT_DEFAULT, (key, *columns.values(), now, now)) for key, columns in defaults.items()]
    return [*writes, Statement(_DROP_DEFAULTS, (json_list(list(defaults)),))]
