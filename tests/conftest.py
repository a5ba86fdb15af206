"""Fixtures that every part of the suite may use."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.database.d1 import D1Database
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from tests.cloud.d1_gateway import D1Gateway
from tests.studio_process import StudioProcess


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[StudioProcess]:
    """A running server without the web UI, on an empty root; stopped at the end."""
    process = StudioProcess(tmp_path / "root")
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def d1_gateway() -> Iterator[D1Gateway]:
    """Cloudflare D1's real engine behind the REST shape; each test takes a database of its own."""
    gateway = D1Gateway(databases=400)
    yield gateway
    gateway.stop()


@pytest.fixture(params=["sqlite", "d1"])
async def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """Every Database implementation in turn, migrated and empty."""
    if request.param == "sqlite":
        database: Database = SqliteDatabase(tmp_path / "databases" / "studio.db")
    else:
        database = D1Database(request.getfixturevalue("d1_gateway").new_database())
    await database.migrate()
    yield database
    await database.close()
