"""The one place that chooses implementations: configuration in, a running set of services out."""

import asyncio
from typing import Annotated, cast

from fastapi import Depends, Request

from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.services import Services
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from invokeai.app.services.tensors.tensor_store import TensorStore


class ApiDependencies:
    """Builds the services at start and lets go of them at the end."""

    @staticmethod
    async def initialize(config: AppConfig) -> Services:
        """Services as `config` asks for. The database is migrated, nothing connects to a provider."""
        database = SqliteDatabase(config.under_root(config.database_path))
        await database.migrate()
        tensors = TensorStore(config.under_root(config.outputs_path) / "tensors")
        await asyncio.to_thread(tensors.sweep)
        return Services(config=config, database=database, tensors=tensors)

    @staticmethod
    async def shutdown(services: Services) -> None:
        """Drain what runs, then close in the opposite order of building."""
        await services.database.close()


def get_services(request: Request) -> Services:
    """The services of the app that serves `request`."""
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(get_services)]
