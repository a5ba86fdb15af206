"""Fixtures that every part of the suite may use."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from invokeai.app.services.image_files.disk_image_file_storage import DiskImageFileStorage
from invokeai.app.services.image_files.image_file_storage import ImageFileStorage
from invokeai.app.services.image_files.image_files_r2 import R2ImageFileStorage
from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.database.d1 import D1Database
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from invokeai.app.services.shared.objects.s3_objects import S3Objects
from tests.cloud.d1_gateway import D1Gateway
from tests.cloud.s3_server import S3Server, refuse_what_r2_lacks
from tests.storage_engines import use_cloud
from tests.studio_process import StudioProcess


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--cloud`: what can run on either runs on D1 and a bucket. The others: larger numbers for the slow suite."""
    parser.addoption("--cloud", action="store_true", help="run services and API on D1 and an S3 server")
    parser.addoption("--outage-seconds", type=float, default=6, help="how long the object store is down (slow: 60)")
    parser.addoption("--histories", type=int, default=200, help="seeded histories of crashes and faults to walk")
    parser.addoption("--socket-seconds", type=float, default=120, help="how long a socket is held, beside other tests")


@pytest.fixture(scope="session", autouse=True)
def storage_engines(request: pytest.FixtureRequest) -> Iterator[None]:
    """Switch the engines once for the whole run."""
    if request.config.getoption("--cloud"):
        use_cloud(request.getfixturevalue("d1_gateway"), request.getfixturevalue("s3_server"))
    yield
    use_cloud(None, None)


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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server; each test takes a bucket of its own."""
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture(params=["disk", "r2"])
async def any_image_files(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ImageFileStorage]:
    """Every ImageFileStorage in turn, empty."""
    if request.param == "disk":
        yield DiskImageFileStorage(tmp_path / "outputs")
        return
    settings = request.getfixturevalue("s3_server").new_bucket()
    objects = refuse_what_r2_lacks(S3Objects(settings))
    files = R2ImageFileStorage("", "", "", "", objects=objects)
    yield files
    await files.close()
