"""Models of a server without local models: the providers' cloud models, and a plain no to everything else."""

from typing import NoReturn

from invokeai.app.services.events.events import EventService
from invokeai.app.services.model_manager.external_models import ExternalModels
from invokeai.app.services.model_manager.install_jobs import (
    InstallJobs,
    ModelInstallComplete,
    ModelInstallJob,
    ModelInstallStarted,
)
from invokeai.app.services.model_manager.model_records import ExternalApiModelConfig, ModelRecordChanges
from invokeai.app.services.model_manager.model_relationships import ModelRelationships
from invokeai.app.services.shared.errors import NotAvailableHere, NotFound

NO_LOCAL_MODELS = (
    "This server runs without local models, so {action} is not possible here. Cloud models are added with an address "
    "like external://provider/model; for local models install the package with its extra `local`."
)


class DummyModelManagerService:
    """The model manager of a server without torch."""

    has_local_models = False

    def __init__(self, external: ExternalModels, relationships: ModelRelationships, events: EventService) -> None:
        self.external = external
        self.relationships = relationships
        self.jobs = InstallJobs()
        self._events = events

    def get_models(self) -> list[ExternalApiModelConfig]:
        """Every record. No round trip."""
        return self.external.all()

    async def exists(self, key: str) -> bool:
        """Whether there is a record of that key. No round trip."""
        return any(model.key == key for model in self.external.all())

    async def get_model(self, key: str) -> ExternalApiModelConfig:
        """The record of that key. No round trip. Raises NotFound."""
        return self.external.get(key)

    def find(self, *, hash: str | None = None, name: str | None = None) -> ExternalApiModelConfig:
        """The record with that hash, or of that name. Raises NotFound."""
        for model in self.external.all():
            if (hash is not None and model.hash == hash) or (name is not None and model.name == name):
                return model
        raise NotFound("No model fits.")

    async def update(self, key: str, changes: ModelRecordChanges) -> ExternalApiModelConfig:
        """Change a record. One round trip. Raises NotFound, InvalidInput."""
        return await self.external.update(key, changes)

    async def delete(self, key: str) -> None:
        """Remove a record. One round trip. Raises NotFound."""
        await self.external.delete(key)

    async def install(self, source: str, changes: ModelRecordChanges, inplace: bool = False) -> ModelInstallJob:
        """Add a cloud model and tell the browsers. One round trip.

        Raises:
            NotAvailableHere: the source is not a cloud model's. Conflict, NotFound: see `ExternalModels.install`.
        """
        if not source.startswith("external://"):
            self.refuse("installing a model")
        return self._announce(await self.external.install(source, changes), changes, inplace)

    def announce_provider(self, provider_id: str) -> None:
        """Tell the browsers that a provider's models have come, by its default one: they ask for the list again."""
        for config in self.external.all():
            if config.provider_id == provider_id and config.is_default:
                self._announce(config, ModelRecordChanges(), inplace=True)

    def _announce(self, config: ExternalApiModelConfig, changes: ModelRecordChanges, inplace: bool) -> ModelInstallJob:
        job = self.jobs.completed(changes, config, inplace)
        told = job.source.model_dump(mode="json")
        self._events.publish(ModelInstallStarted(id=job.id, source=told))
        record = config.model_dump(mode="json")
        self._events.publish(ModelInstallComplete(id=job.id, source=told, key=config.key, config=record))
        return job

    def refuse(self, action: str) -> NoReturn:
        """Say that `action` needs local models. Always raises NotAvailableHere."""
        raise NotAvailableHere(NO_LOCAL_MODELS.format(action=action))
