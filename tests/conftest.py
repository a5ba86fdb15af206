"""Fixtures that every part of the suite may use."""

import os
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
from tests.storage_engines import ON_EITHER, use_cloud
from tests.studio_process import StudioProcess

ENGINES = {"local": ["local"], "cloud": ["cloud"], "both": ["local", "cloud"]}
STARTS_FIRST = ("container/", "tests/cloud/", "tests/ui/")
"""What takes longest and waits most, so that no process is left with it at the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--engines`: what the tests that can run on either run on. The others: larger numbers for the slow suite."""
    parser.addoption("--engines", choices=[*ENGINES], default="local", help="SQLite and disk, or D1 and S3")
    parser.addoption("--outage-seconds", type=float, default=6, help="how long the object store is down (slow: 60)")
    parser.addoption("--histories", type=int, default=200, help="seeded histories of crashes and faults to walk")
    parser.addoption("--socket-seconds", type=float, default=120, help="how long a socket is held, beside other tests")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """With `-n auto`: one more than there are cores, as many tests wait for servers."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files are given out in this order (`--dist loadfile`)."""
    items.sort(key=lambda item: not item.nodeid.startswith(STARTS_FIRST))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test that can run on either engine, once for each that is asked for."""
    if metafunc.definition.nodeid.startswith(ON_EITHER):
        engines = ENGINES[metafunc.config.getoption("--engines")]
        metafunc.parametrize("storage_engine", engines, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def storage_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """The engines of a module's tests."""
    if getattr(request, "param", "local") == "cloud":
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
    gateway = D1Gateway(databases=600)
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
