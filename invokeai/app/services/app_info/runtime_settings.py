"""Settings that the UI may change while the server runs. They are in force at once and still after a restart.

What file or environment set is theirs: a change of it is refused with a sentence that says where it was set.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from invokeai.app.services.app_info.contract_config import SubfolderStrategy
from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.library_defaults.library_facts import fact_statement
from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.errors import Conflict, InvalidInput, NotAvailableHere

FACT_PREFIX = "setting:"
DEVICES = {"cpu": "CPU"}
"""What nodes run on here, by id; cloud models run elsewhere."""


class UpdateAppGenerationSettingsRequest(BaseModel):
    """What to change; members left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    image_subfolder_strategy: SubfolderStrategy = "flat"
    max_queue_history: Annotated[int, Field(ge=0, le=2**31)] | None = None
    generation_devices: Literal["auto"] | list[str] | None = None


class RuntimeSettings:
    """The changeable settings. `config.max_queue_history` is the value in force."""

    def __init__(self, config: AppConfig, database: Database, facts: Mapping[str, str]) -> None:
        self._config = config
        self._database = database
        self._fixed = frozenset(config.model_fields_set)
        self.generation_devices: Any = _stored(facts, "generation_devices", "auto")
        if "max_queue_history" not in self._fixed and FACT_PREFIX + "max_queue_history" in facts:
            config.max_queue_history = _stored(facts, "max_queue_history", None)

    async def update(self, changes: UpdateAppGenerationSettingsRequest) -> None:
        """Put changes in force and keep them. At most one round trip.

        Raises:
            InvalidInput: a device that is not here.
            NotAvailableHere: another folder layout than the flat one.
            Conflict: the setting comes from `invokeai.yaml` or the environment.
        """
        given = changes.model_dump(exclude_unset=True)
        if given.pop("image_subfolder_strategy", "flat") != "flat":
            raise NotAvailableHere("This server keeps image files in one flat folder; other layouts are not offered.")
        if "max_queue_history" in given and "max_queue_history" in self._fixed:
            raise Conflict("max_queue_history is set in invokeai.yaml or the environment; change it there.")
        if "generation_devices" in given:
            given["generation_devices"] = _devices(given["generation_devices"])
        if not given:
            return
        writes = [fact_statement(FACT_PREFIX + name, orjson.dumps(value).decode()) for name, value in given.items()]
        await self._database.batch(writes)
        if "max_queue_history" in given:
            self._config.max_queue_history = given["max_queue_history"]
        self.generation_devices = given.get("generation_devices", self.generation_devices)


def _devices(chosen: Any) -> Any:
    if chosen is None or chosen == "auto":
        return "auto"
    unknown = [device for device in chosen if device not in DEVICES]
    if unknown or not chosen:
        raise InvalidInput(f"generation_devices is `auto` or a list of {', '.join(DEVICES)} on this server.")
    return list(dict.fromkeys(chosen))


def _stored(facts: Mapping[str, str], name: str, default: Any) -> Any:
    text = facts.get(FACT_PREFIX + name)
    return default if text is None else orjson.loads(text)
