"""From a row of InvokeAI 6.x to the row that stands for it here.

A row is taken whole or, with `DamagedRow`, not at all; only metadata that is no JSON object is left out alone.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

import orjson
from pydantic import ValidationError

from invokeai.app.services.image_files.image_file_storage import validate_name
from invokeai.app.services.image_files.png_chunks import BrokenPng, chunks, png_size
from invokeai.app.services.image_records.image_kinds import ImageCategory, ResourceOrigin
from invokeai.app.services.images.embedded_texts import metadata_text
from invokeai.app.services.library_moves.upstream_root import RawRow
from invokeai.app.services.shared.database.base import MAX_VALUE_BYTES, SqlValue
from invokeai.app.services.shared.errors import InvalidInput
from invokeai.app.services.shared.timestamps import timestamp
from invokeai.app.services.style_presets.style_preset_models import PresetData
from invokeai.app.services.workflow_records.workflow_models import WorkflowCategory, WorkflowWithoutID
from invokeai.app.services.workflow_records.workflow_service import columns_of

OwnRow = dict[str, SqlValue]
SHIPPED_PROMPTS = "0f8f5b2e-1c9e-4f2a-9a4e-1f1f1f1f"
"""How the ids of system prompts begin that come with InvokeAI."""
OWNER = "system"
"""The one user that there is here."""
_VISIBILITIES = ("private", "shared", "public")


class DamagedRow(Exception):
    """The row cannot be taken over; the message says what is wrong with it."""


def board(row: RawRow) -> OwnRow:
    """A row of `boards`."""
    board_id, visibility = _text(row, "board_id"), str(row.get("board_visibility") or "private")
    if board_id == "none" or visibility not in _VISIBILITIES:
        raise DamagedRow("its id or visibility means something else here")
    return {
        "board_id": board_id,
        "board_name": _text(row, "board_name"),
        "user_id": OWNER,
        "cover_image_name": row.get("cover_image_name"),
        "archived": _flag(row, "archived"),
        "board_visibility": visibility,
        **_times(row),
        "deleted_at": None,
    }


def image(row: RawRow, png: bytes, board_id: str | None) -> tuple[OwnRow, bool]:
    """A row of `images`, and whether its metadata had to be left out; size and soundness are those of the file."""
    try:
        name = validate_name(_text(row, "image_name"))
        for _ in chunks(png):  # every checksum
            pass
        width, height = png_size(png)
        origin, category = ResourceOrigin(str(row["image_origin"])), ImageCategory(str(row["image_category"]))
    except (InvalidInput, BrokenPng, ValueError) as error:
        raise DamagedRow(str(error)) from None
    metadata: str | None = None
    lost = False
    if row.get("metadata") is not None:
        try:
            metadata = metadata_text(str(row["metadata"]))
        except InvalidInput:
            lost = str(row["metadata"]).strip() != "null"
    own: OwnRow = {
        "image_name": name,
        "image_origin": origin.value,
        "image_category": category.value,
        "width": width,
        "height": height,
        "session_id": row.get("session_id"),
        "node_id": row.get("node_id"),
        "is_intermediate": _flag(row, "is_intermediate"),
        "starred": _flag(row, "starred"),
        "has_workflow": _flag(row, "has_workflow"),
        "board_id": board_id,
        "user_id": OWNER,
        **_times(row),
        "deleted_at": None,
        "metadata": metadata,
    }
    return own, lost


def workflow(row: RawRow, has_thumbnail: bool) -> OwnRow:
    """A row of `workflows`, of category `user`."""
    workflow_id = _text(row, "workflow_id")
    try:
        content = WorkflowWithoutID.model_validate_json(_text(row, "workflow"))
        columns = columns_of(content, workflow_id)
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedRow(f"{'.'.join(map(str, first['loc'])) or 'workflow'}: {first['msg']}") from None
    except InvalidInput as error:
        raise DamagedRow(str(error)) from None
    if len(columns.workflow.encode()) > MAX_VALUE_BYTES:
        raise DamagedRow(f"it has more than {MAX_VALUE_BYTES:,} bytes")
    return {
        "workflow_id": workflow_id,
        "user_id": OWNER,
        "category": WorkflowCategory.User.value,
        "name": columns.name,
        "description": columns.description,
        "tags": columns.tags,
        "callable_reason": columns.callable_reason,
        "is_public": _flag(row, "is_public"),
        "thumbnail_id": file_id(workflow_id) if has_thumbnail else None,
        "workflow": columns.workflow,
        **_times(row),
        "opened_at": _time(row, "opened_at") if row.get("opened_at") else None,
    }


def style_preset(row: RawRow, has_picture: bool) -> OwnRow:
    """A row of `style_presets`, of type `user`."""
    preset_id = _text(row, "id")
    try:
        texts = PresetData.model_validate_json(_text(row, "preset_data"))
    except ValidationError as error:
        raise DamagedRow(f"its prompts cannot be read: {error.errors()[0]['msg']}") from None
    return {
        "preset_id": preset_id,
        "user_id": OWNER,
        "type": "user",
        "name": _text(row, "name"),
        "positive_prompt": texts.positive_prompt,
        "negative_prompt": texts.negative_prompt,
        "is_public": _flag(row, "is_public"),
        "image_id": file_id(preset_id) if has_picture else None,
        **_times(row),
    }


def system_prompt(row: RawRow) -> OwnRow:
    """A row of `system_prompts`."""
    return {
        "prompt_id": _text(row, "id"),
        "user_id": OWNER,
        "name": _text(row, "name"),
        "content": _text(row, "content"),
        "is_public": _flag(row, "is_public"),
        **_times(row),
    }


def is_shipped(kind: str, row: RawRow) -> bool:
    """Whether InvokeAI brought the row along, so that it is nobody's own."""
    if kind == "workflow_library":
        return _category(row) == "default"
    if kind == "style_presets":
        return row.get("type") == "default"
    return kind == "system_prompts" and str(row.get("id")).startswith(SHIPPED_PROMPTS)


def file_id(record_id: str) -> str:
    """The id under which a record's picture is kept here: the same in every run."""
    return str(uuid5(NAMESPACE_URL, f"invokeai:{record_id}"))


def _category(row: RawRow) -> object:
    if "category" in row:
        return row["category"]
    try:
        content = orjson.loads(str(row.get("workflow")))
    except orjson.JSONDecodeError:
        return None
    meta = content.get("meta") if isinstance(content, Mapping) else None
    return meta.get("category") if isinstance(meta, Mapping) else None


def _text(row: RawRow, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise DamagedRow(f"{name} is empty or no text")
    if "\ufffd" in value and name.endswith("_id"):
        raise DamagedRow(f"{name} is no text")
    return value


def _flag(row: RawRow, name: str) -> int:
    return int(row.get(name) in (1, "1", "true", "TRUE"))


def _times(row: RawRow) -> OwnRow:
    created = _time(row, "created_at")
    return {"created_at": created, "updated_at": _time(row, "updated_at") if row.get("updated_at") else created}


def _time(row: RawRow, name: str) -> str:
    """UTC text as records here have it; times without a zone are UTC."""
    try:
        moment = datetime.fromisoformat(str(row.get(name)))
    except ValueError:
        raise DamagedRow(f"{name} is no time") from None
    return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
