"""Cloud models as records: made from the providers' typed models, there while the provider is available.

Only what users changed is stored (`external_models`): other names, ids that a provider does not list, models put away.
The table is read once and kept in memory; every change is written first. A listed model's abilities are the provider's
word and cannot be changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from invokeai.app.services.image_providers.capabilities import (
    ExternalApiModelDefaultSettings,
    ExternalModelCapabilities,
)
from invokeai.app.services.image_providers.generation import ImageRequest, cost_text
from invokeai.app.services.image_providers.image_model import ImageModel, model_hash, model_key, model_source
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager
from invokeai.app.services.image_providers.provider import ImageProvider
from invokeai.app.services.image_providers.provider_errors import ProviderError
from invokeai.app.services.library_files.library_files import LibraryFileStore
from invokeai.app.services.model_manager.model_records import ExternalApiModelConfig, ModelRecordChanges
from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.errors import Conflict, InvalidInput, NotFound
from invokeai.app.services.shared.timestamps import timestamp

SELECT_ALL = "SELECT model_key, provider_id, provider_model_id, changes, is_hidden FROM external_models"
UPSERT = """INSERT INTO external_models
  (model_key, provider_id, provider_model_id, changes, is_hidden, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (model_key) DO UPDATE SET changes = excluded.changes, is_hidden = excluded.is_hidden,
  updated_at = excluded.updated_at"""
DELETE = "DELETE FROM external_models WHERE model_key = ?"

MAX_MODEL_ID = 300


@dataclass(frozen=True, slots=True)
class _Row:
    provider_id: str
    model_id: str
    changes: dict[str, Any] = field(default_factory=dict)
    is_hidden: bool = False

    @property
    def key(self) -> str:
        return model_key(self.provider_id, self.model_id)


class ExternalModels:
    """The records of all providers' models."""

    def __init__(self, database: Database, generation: ImageServiceManager, covers: LibraryFileStore) -> None:
        self._database = database
        self._generation = generation
        self._covers = covers
        self._rows: dict[str, _Row] = {}
        generation.model_overrides = self._changed_model

    async def load(self) -> None:
        """Read what is stored. One round trip."""
        rows = await self._database.fetch(SELECT_ALL)
        self._rows = {
            str(row["model_key"]): _Row(
                str(row["provider_id"]),
                str(row["provider_model_id"]),
                orjson.loads(str(row["changes"])),
                bool(row["is_hidden"]),
            )
            for row in rows
        }

    def all(self) -> list[ExternalApiModelConfig]:
        """Every record, in order of provider, then of the provider's list. No round trip."""
        return [self._config(provider, model) for provider, model in self._visible()]

    def get(self, key: str) -> ExternalApiModelConfig:
        """The record of that key. No round trip.

        Raises:
            NotFound: there is none.
        """
        for provider, model in self._visible():
            if model_key(provider.info.provider_id, model.model_id) == key:
                return self._config(provider, model)
        raise NotFound(f"There is no model {key!r}.")

    def default_key(self) -> str | None:
        """The key of the model that is used when none is named; None where that one cannot be used now."""
        with suppress(ProviderError, NotFound):
            route = self._generation.route()
            return model_key(route.provider.info.provider_id, route.model.model_id)
        return None

    async def install(self, source: str, changes: ModelRecordChanges) -> ExternalApiModelConfig:
        """Add the provider's model at `source` (`external://provider/model`). One round trip.

        Raises:
            Conflict: the address is malformed. NotFound: no such provider, or it has no such model.
        """
        provider_id, _, model_id = source.removeprefix("external://").partition("/")
        if not provider_id or not model_id or len(model_id) > MAX_MODEL_ID:
            raise Conflict(f"{source[:100]!r} is not a model address like external://provider/model.")
        provider = self._generation.get_provider(provider_id)
        if self._generation.find_model(provider, model_id) is None:
            raise NotFound(f"{provider.info.display_name} has no model {model_id!r}.")
        old = self._rows.get(model_key(provider_id, model_id))
        wanted = {**(old.changes if old else {}), **self._accepted(provider, model_id, changes)}
        await self._store(_Row(provider_id, model_id, wanted))
        model = self._generation.find_model(provider, model_id)
        assert model is not None  # checked above
        return self._config(provider, model)

    async def update(self, key: str, changes: ModelRecordChanges) -> ExternalApiModelConfig:
        """Change a record. One round trip.

        Raises:
            NotFound: there is none. InvalidInput: the change would make it another model.
        """
        record = self.get(key)
        same = (record.provider_id, record.provider_model_id)
        if (changes.provider_id or same[0], changes.provider_model_id or same[1]) != same:
            raise InvalidInput("A record keeps its provider and model id; install the other model instead.")
        provider = self._generation.get_provider(record.provider_id)
        old = self._rows.get(key) or _Row(*same)
        await self._store(replace(old, changes={**old.changes, **self._accepted(provider, same[1], changes)}))
        return self.get(key)

    async def delete(self, key: str) -> None:
        """Put a listed model away, or remove one that a user added. One round trip. Raises NotFound."""
        record = self.get(key)
        await self._covers.delete(self._cover(key))
        provider = self._generation.get_provider(record.provider_id)
        if self._is_listed(provider, record.provider_model_id):
            await self._store(_Row(record.provider_id, record.provider_model_id, is_hidden=True))
            return
        await self._database.execute(DELETE, key)
        del self._rows[key]

    async def set_cover(self, key: str, picture: bytes) -> None:
        """Make an image file the model's cover. One round trip. Raises NotFound, UnsupportedMedia, TooLarge."""
        self.get(key)
        await self._change_cover(key, await self._covers.save(picture))

    async def remove_cover(self, key: str) -> None:
        """Leave the model without a cover. One round trip. Raises NotFound."""
        self.get(key)
        await self._change_cover(key, None)

    async def get_cover(self, key: str) -> bytes:
        """The cover as WebP. No round trip. Raises NotFound."""
        self.get(key)
        cover = self._cover(key)
        if cover is None:
            raise NotFound(f"The model {key!r} has no cover image.")
        return await self._covers.get(cover)

    def _cover(self, key: str) -> str | None:
        row = self._rows.get(key)
        return row.changes.get("cover") if row else None

    async def _change_cover(self, key: str, cover: str | None) -> None:
        record, old = self.get(key), self._cover(key)
        row = self._rows.get(key) or _Row(record.provider_id, record.provider_model_id)
        await self._store(replace(row, changes={**row.changes, "cover": cover}))
        await self._covers.delete(old)

    async def _store(self, row: _Row) -> None:
        now = timestamp()
        changes = orjson.dumps(row.changes).decode()
        values = (row.key, row.provider_id, row.model_id, changes, int(row.is_hidden), now, now)
        await self._database.execute(UPSERT, *values)
        self._rows[row.key] = row

    def _visible(self) -> Iterator[tuple[ImageProvider, ImageModel]]:
        for provider in self._generation.providers():
            if not provider.is_available():
                continue
            provider_id = provider.info.provider_id
            ids = [model.model_id for model in provider.models()]
            ids += [r.model_id for r in self._rows.values() if r.provider_id == provider_id and r.model_id not in ids]
            for model_id in ids:
                row = self._rows.get(model_key(provider_id, model_id))
                model = self._generation.find_model(provider, model_id)
                if model is not None and (row is None or not row.is_hidden):
                    yield provider, model

    def _changed_model(self, provider_id: str, model_id: str) -> ImageModel | None:
        row = self._rows.get(model_key(provider_id, model_id))
        if row is None or not row.changes:
            return None
        provider = self._generation.get_provider(provider_id)
        listed = next((m for m in provider.models() if m.model_id == model_id), None)
        model = listed or provider.custom_model(model_id)
        if model is None:
            return None
        values: dict[str, Any] = {k: v for k, v in row.changes.items() if k in ("name", "description")}
        if "capabilities" in row.changes and listed is None:
            values["capabilities"] = ExternalModelCapabilities.model_validate(row.changes["capabilities"])
        if "default_settings" in row.changes:
            settings = ExternalApiModelDefaultSettings.model_validate(row.changes["default_settings"])
            values["default_settings"] = settings
        return replace(model, **values)

    def _is_listed(self, provider: ImageProvider, model_id: str) -> bool:
        return any(model.model_id == model_id for model in provider.models())

    def _accepted(self, provider: ImageProvider, model_id: str, changes: ModelRecordChanges) -> dict[str, Any]:
        """The changes that apply to a cloud model, as plain values; steps, guidance and the like are dropped."""
        values: dict[str, Any] = {}
        if changes.name and changes.name.strip():
            values["name"] = changes.name.strip()
        if changes.description is not None:
            values["description"] = changes.description
        if changes.capabilities is not None and not self._is_listed(provider, model_id):
            values["capabilities"] = changes.capabilities.model_dump(mode="json")
        if changes.default_settings is not None:
            given = changes.default_settings.model_dump(include={"width", "height", "num_images"}, exclude_none=True)
            if any(value <= 0 for value in given.values()):
                raise InvalidInput("Default width, height and number of images are above 0.")
            values["default_settings"] = given
        return values

    def _config(self, provider: ImageProvider, model: ImageModel) -> ExternalApiModelConfig:
        provider_id = provider.info.provider_id
        key = model_key(provider_id, model.model_id)
        source, cover = model_source(provider_id, model.model_id), self._cover(key)
        return ExternalApiModelConfig(
            key=key,
            hash=model_hash(provider_id, model.model_id),
            path=source,
            name=model.name,
            description=f"{model.description} {_price(provider, model)}".strip(),
            source=source,
            type=model.record_type,
            cover_image=f"api/v2/models/i/{key}/image?{cover}" if cover else None,
            provider_id=provider_id,
            provider_model_id=model.model_id,
            capabilities=model.capabilities,
            default_settings=model.default_settings,
            panel_schema=model.panel_schema,
            tags=list(model.tags) or None,
            is_default=model.model_id == provider.default_model(),
        )


def _price(provider: ImageProvider, model: ImageModel) -> str:
    """What a picture of the usual size costs, in a sentence, where the provider's price list tells."""
    if not provider.info.is_paid:
        return ""
    sizes, usual = model.capabilities.aspect_ratio_sizes, model.default_settings
    size = next(iter(sizes.values())) if sizes else None
    width, height = (size.width, size.height) if size else (usual.width or 1024, usual.height or 1024)
    usual_request = ImageRequest(prompt="", mode=model.capabilities.modes[0], width=width, height=height)
    cost = provider.estimate(usual_request, model)
    return f"A picture of {width}×{height}: {cost_text(cost)}." if cost and cost.amount else "Price not known here."
