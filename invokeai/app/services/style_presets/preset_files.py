"""Style presets as CSV (`name,prompt,negative_prompt`) and JSON files. A file is taken whole or not at all."""

import csv
import io
from collections.abc import Sequence

import orjson

from invokeai.app.services.shared.errors import InvalidInput
from invokeai.app.services.style_presets.style_preset_models import MAX_NAME_LENGTH, MAX_PROMPT_LENGTH
from invokeai.app.services.style_presets.style_preset_records import StylePresetTexts

COLUMNS = ("name", "prompt", "negative_prompt")
MAX_PRESETS = 1000


def parse_presets(data: bytes, file_name: str, content_type: str) -> list[StylePresetTexts]:
    """The presets of a CSV or JSON file.

    Raises:
        InvalidInput: naming what is wrong and in which entry.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("The file is not UTF-8 text.") from None
    is_json = file_name.lower().endswith(".json") or content_type.startswith("application/json")
    entries = _json_entries(text) if is_json else _csv_entries(text)
    if not entries:
        raise InvalidInput("The file holds no presets.")
    if len(entries) > MAX_PRESETS:
        raise InvalidInput(f"The file may hold {MAX_PRESETS} presets, this one holds {len(entries)}.")
    return [_texts(entry, number) for number, entry in enumerate(entries, 1)]


def presets_as_csv(presets: Sequence[StylePresetTexts]) -> str:
    """The presets as CSV with a header."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows((preset.name, preset.positive_prompt, preset.negative_prompt) for preset in presets)
    return out.getvalue()


def _csv_entries(text: str) -> list[dict[object, object]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or [])]
        if missing:
            raise InvalidInput(f"The first line must be `{','.join(COLUMNS)}`; it lacks {', '.join(missing)}.")
        return [dict(row) for row in reader]
    except csv.Error as error:
        raise InvalidInput(f"The file is not valid CSV: {error}.") from None


def _json_entries(text: str) -> list[dict[object, object]]:
    try:
        entries = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The file is not valid JSON: {error}.") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidInput("The file must be a JSON list of objects with name, prompt and negative_prompt.")
    return entries


def _texts(entry: dict[object, object], number: int) -> StylePresetTexts:
    values = [entry.get(column) for column in COLUMNS]
    if values[2] is None:
        values[2] = ""
    name, positive, negative = values
    if not isinstance(name, str) or not isinstance(positive, str) or not isinstance(negative, str):
        raise InvalidInput(f"Preset {number} needs name, prompt and negative_prompt as texts.")
    if not 0 < len(name.strip()) <= MAX_NAME_LENGTH:
        raise InvalidInput(f"The name of preset {number} must have between 1 and {MAX_NAME_LENGTH} characters.")
    if max(len(positive), len(negative)) > MAX_PROMPT_LENGTH:
        raise InvalidInput(f"The prompts of preset {number} may have {MAX_PROMPT_LENGTH:,} characters.")
    return StylePresetTexts(name.strip(), positive, negative)
