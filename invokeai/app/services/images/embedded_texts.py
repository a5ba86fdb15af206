"""Checks of the JSON texts that a picture carries: what does not hold is not believed, and not stored."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from invokeai.app.services.image_files.png_chunks import GRAPH, METADATA, WORKFLOW
from invokeai.app.services.shared.database.base import MAX_VALUE_BYTES
from invokeai.app.services.shared.errors import InvalidInput

_ROW_OVERHEAD_BYTES = 4096


def parse_object(text: str) -> dict[str, Any] | None:
    """The JSON object in `text`, or None."""
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    return value if isinstance(value, dict) else None


def metadata_text(text: str) -> str:
    """`text` as the record keeps it. Raises InvalidInput: it is no JSON object, or too large for a record."""
    value = parse_object(text)
    if value is None:
        raise InvalidInput("The metadata must be a JSON object.")
    plain = orjson.dumps(value)
    if len(plain) > MAX_VALUE_BYTES - _ROW_OVERHEAD_BYTES:
        raise InvalidInput(f"The metadata is too large: at most {MAX_VALUE_BYTES:,} bytes are kept.")
    return plain.decode()


def _is_metadata(text: str) -> bool:
    try:
        metadata_text(text)
    except InvalidInput:
        return False
    return True


def _is_workflow(text: str) -> bool:
    value = parse_object(text)
    return value is not None and isinstance(value.get("nodes"), list) and isinstance(value.get("edges"), list)


def _is_graph(text: str) -> bool:
    value = parse_object(text)
    return value is not None and isinstance(value.get("nodes"), dict) and isinstance(value.get("edges"), list)


_CHECKS: Mapping[str, Callable[[str], bool]] = {METADATA: _is_metadata, WORKFLOW: _is_workflow, GRAPH: _is_graph}


def unbelievable(texts: Mapping[str, str]) -> list[str]:
    """Keywords among `texts` whose text is not what it should be."""
    return [keyword for keyword, text in texts.items() if not _CHECKS[keyword](text)]
