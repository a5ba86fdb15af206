"""From rows to what clients get. A whole item is built as JSON text members only where it must be parsed."""

from __future__ import annotations

from typing import Any

import orjson

from invokeai.app.services.shared.database.base import Row
from invokeai.app.services.shared.graph_state import session_as_json

USER_NAMES = {"system": ("System", "system@system.invokeai")}
PLAIN_MEMBERS = (
    "item_id",
    "status",
    "status_sequence",
    "priority",
    "batch_id",
    "origin",
    "destination",
    "session_id",
    "error_type",
    "error_message",
    "error_traceback",
    "created_at",
    "updated_at",
    "started_at",
    "completed_at",
    "queue_id",
    "user_id",
)


def item_view(row: Row, live: dict[str, Any] | None = None) -> dict[str, Any]:
    """Members of SessionQueueItem; `live` is what a running session has done so far."""
    name, email = USER_NAMES.get(str(row["user_id"]), (None, None))
    values = orjson.loads(str(row["field_values"]))
    graph = with_values(orjson.loads(str(row["graph"])), values)
    progress = live or (orjson.loads(str(row["session"])) if row["session"] else None)
    return {
        **{member: row[member] for member in PLAIN_MEMBERS},
        "user_display_name": name,
        "user_email": email,
        "field_values": values,
        "retried_from_item_id": row["retried_from_item_id"],
        "device": row["device"],
        "workflow_call_id": None,
        "parent_item_id": None,
        "parent_session_id": None,
        "root_item_id": None,
        "workflow_call_depth": None,
        "session": session_as_json(str(row["session_id"]), graph, progress),
        "workflow": orjson.loads(str(row["workflow"])) if row["workflow"] else None,
    }


def summary_view(row: Row) -> dict[str, Any]:
    """Members of SessionQueueItemSummary."""
    name, email = USER_NAMES.get(str(row["user_id"]), (None, None))
    return {
        "item_id": row["item_id"],
        "created_at": row["created_at"],
        "status": row["status"],
        "device": row["device"],
        "started_at": row["started_at"],
        "completed_at": row["completed_at"],
        "origin": row["origin"],
        "destination": row["destination"],
        "batch_id": row["batch_id"],
        "user_id": row["user_id"],
        "user_display_name": name,
        "user_email": email,
        "field_values": orjson.loads(str(row["field_values"])),
        "parent_item_id": None,
    }


def with_values(graph: dict[str, Any], values: list[dict[str, Any]]) -> dict[str, Any]:
    """`graph` with the item's values in its nodes; changes `graph`."""
    for value in values:
        node = graph["nodes"].get(value["node_path"])
        if node is not None:
            node[value["field_name"]] = value["value"]
    return graph


def without_nulls(item: dict[str, Any]) -> dict[str, Any]:
    """An item without the members that are null, in it and in its session; the workflow stays as it is."""
    kept = {name: value for name, value in item.items() if value is not None}
    return {**kept, "session": _strip(item["session"])}


def _strip(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _strip(member) for name, member in value.items() if member is not None}
    return [_strip(member) for member in value] if isinstance(value, list) else value
