"""The library's routers on their real services and a temporary SQLite, without the rest of the studio."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from invokeai.app.api_app import add_error_answers
from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.events.events import Event, EventService
from tests.app.services.shared.database.counting_database import CountingDatabase
from tests.storage_engines import empty_database


@dataclass
class LibraryApi:
    """A client of the routers, and what lies behind them."""

    client: httpx.AsyncClient
    database: CountingDatabase
    services: SimpleNamespace
    root: Path
    published: list[Event] = field(default_factory=list)

    async def json(self, method: str, path: str, status: int = 200, **request: Any) -> Any:
        """The JSON answer to a request, which must have the status given."""
        answer = await self.client.request(method, f"/api{path}", **request)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    async def refusal(self, method: str, path: str, status: int, **request: Any) -> str:
        """The sentence of a refusal."""
        detail = (await self.json(method, path, status, **request))["detail"]
        return detail if isinstance(detail, str) else " ".join(str(fault["msg"]) for fault in detail)


@asynccontextmanager
async def library_api(root: Path, routers: Sequence[APIRouter], **services: Any) -> AsyncIterator[LibraryApi]:
    """The routers, on a migrated database below `root`. `services` are functions of the namespace made so far."""
    database = CountingDatabase(empty_database(root / "library.db"))
    await database.migrate()
    events = EventService()
    namespace = SimpleNamespace(config=AppConfig(root=root), database=database, events=events)
    for name, make in services.items():
        setattr(namespace, name, make(namespace))
    app = FastAPI()
    app.state.services = namespace
    add_error_answers(app)
    for router in routers:
        app.include_router(router, prefix="/api")
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://studio") as client:
        api = LibraryApi(client, database, namespace, root)
        events.subscribe(api.published.append)
        yield api
    await database.close()
