"""Style presets: the user's can be changed, the shipped ones only deleted.

A preset's picture file exists before the record names it.
"""

from uuid import uuid4

from pydantic import ValidationError

from invokeai.app.services.library_files.library_files import LibraryFileStore
from invokeai.app.services.shared.database.base import Row
from invokeai.app.services.shared.errors import Forbidden, InvalidInput, NotFound
from invokeai.app.services.shared.timestamps import timestamp
from invokeai.app.services.style_presets.preset_files import parse_presets, presets_as_csv
from invokeai.app.services.style_presets.style_preset_models import (
    PresetData,
    PresetType,
    StylePresetForm,
    StylePresetRecordWithImage,
)
from invokeai.app.services.style_presets.style_preset_records import StylePresetRecords, StylePresetTexts

_MISSING = "Style preset not found"


class StylePresetService:
    """Style presets and their pictures."""

    def __init__(self, records: StylePresetRecords, pictures: LibraryFileStore) -> None:
        self._records = records
        self._pictures = pictures

    async def get(self, preset_id: str) -> StylePresetRecordWithImage:
        """One preset. Raises NotFound. One round trip."""
        return _record(await self._row(preset_id))

    async def list_for(self, user_id: str) -> list[StylePresetRecordWithImage]:
        """Default presets and the user's. One round trip."""
        return [_record(row) for row in await self._records.list_for(user_id)]

    async def create(self, form: str, picture: bytes | None, user_id: str) -> StylePresetRecordWithImage:
        """Store a new user preset from the form's JSON text. Raises InvalidInput, UnsupportedMedia. One round trip."""
        texts = _texts(form)
        image_id = None if picture is None else await self._pictures.save(picture)
        return _record(await self._records.insert(str(uuid4()), user_id, texts, image_id, timestamp()))

    async def update(self, preset_id: str, form: str, picture: bytes | None) -> StylePresetRecordWithImage:
        """Change a user preset; without a picture it has none afterwards.

        Raises InvalidInput, UnsupportedMedia, NotFound, Forbidden. One round trip.
        """
        texts = _texts(form)
        image_id = None if picture is None else await self._pictures.save(picture)
        row, old = await self._records.update(preset_id, texts, image_id, timestamp())
        if row is None:
            await self._pictures.delete(image_id)
            await self._row(preset_id)
            raise Forbidden("A default style preset cannot be changed; save a copy of it instead.")
        await self._pictures.delete(old)
        return _record(row)

    async def delete(self, preset_id: str) -> None:
        """Remove a preset and its picture. Raises NotFound. One round trip."""
        row = await self._records.delete(preset_id)
        if row is None:
            raise NotFound(_MISSING)
        await self._pictures.delete(None if row["image_id"] is None else str(row["image_id"]))

    async def get_picture(self, preset_id: str) -> bytes:
        """WebP bytes of the picture. Raises NotFound. One round trip."""
        row = await self._row(preset_id)
        if row["image_id"] is None:
            raise NotFound("The style preset has no picture.")
        return await self._pictures.get(str(row["image_id"]))

    async def export_csv(self, user_id: str) -> str:
        """The user's presets as CSV. One round trip."""
        rows = await self._records.list_for(user_id)
        return presets_as_csv(
            [
                StylePresetTexts(str(row["name"]), str(row["positive_prompt"]), str(row["negative_prompt"]))
                for row in rows
                if row["type"] == PresetType.User
            ]
        )

    async def import_file(self, data: bytes, file_name: str, content_type: str, user_id: str) -> None:
        """Store the presets of a CSV or JSON file, all or none. Raises InvalidInput. One round trip."""
        presets = parse_presets(data, file_name, content_type)
        await self._records.insert_many(user_id, {str(uuid4()): texts for texts in presets}, timestamp())

    async def _row(self, preset_id: str) -> Row:
        row = await self._records.get(preset_id)
        if row is None:
            raise NotFound(_MISSING)
        return row


def _texts(form: str) -> StylePresetTexts:
    try:
        values = StylePresetForm.model_validate_json(form)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'data'}: {e['msg']}" for e in error.errors())
        raise InvalidInput(f"The style preset is not valid: {faults}.") from None
    if values.type is not PresetType.User:
        raise InvalidInput("Only style presets of the type `user` can be saved.")
    return StylePresetTexts(values.name, values.positive_prompt, values.negative_prompt)


def _record(row: Row) -> StylePresetRecordWithImage:
    address = None
    if row["image_id"] is not None:
        address = f"api/v1/style_presets/i/{row['preset_id']!s}/image?{row['image_id']!s}"
    return StylePresetRecordWithImage(
        name=str(row["name"]),
        preset_data=PresetData(
            positive_prompt=str(row["positive_prompt"]), negative_prompt=str(row["negative_prompt"])
        ),
        type=PresetType(str(row["type"])),
        is_public=bool(row["is_public"]),
        id=str(row["preset_id"]),
        user_id=str(row["user_id"]),
        image=address,
    )
