"""Which engines the tests of services and of the API run on: SQLite and disk, or D1 and a bucket (`--engines`)."""

from pathlib import Path
from typing import Any

from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.database.d1 import D1Database
from invokeai.app.services.shared.database.sqlite import SqliteDatabase
from tests.cloud.d1_gateway import D1Gateway
from tests.cloud.s3_server import S3Server

ON_EITHER = (
    "tests/app/api/routers",
    "tests/app/api/test_sockets.py",
    "tests/app/api/test_one_image_session.py",
    "tests/app/services/images",
    "tests/app/services/library_defaults",
    "tests/ui/test_generate.py",
)
"""The tests that `--engines` is about."""

_cloud: tuple[D1Gateway, S3Server] | None = None


def use_cloud(gateway: D1Gateway | None, server: S3Server | None) -> None:
    """From now on: D1 and a bucket; None for SQLite and disk."""
    global _cloud
    _cloud = (gateway, server) if gateway and server else None


def empty_database(path: Path) -> Database:
    """A database of the engine in use, not migrated yet; `path` is SQLite's file."""
    return D1Database(_cloud[0].new_database()) if _cloud else SqliteDatabase(path)


def storage_settings() -> dict[str, Any]:
    """Settings of a studio on a new database and a new bucket; none for SQLite and disk."""
    if _cloud is None:
        return {}
    d1, s3 = _cloud[0].new_database(), _cloud[1].new_bucket()
    return {
        "database": "d1",
        "d1_base_url": d1.base_url,
        "d1_account_id": d1.account_id,
        "d1_database_id": d1.database_id,
        "d1_api_token": d1.token,
        "image_storage": "r2",
        "r2_bucket": s3.bucket,
        "r2_access_key_id": s3.access_key_id,
        "r2_secret_access_key": s3.secret_access_key,
        "r2_endpoint": s3.endpoint,
    }


def storage_environment() -> dict[str, str]:
    """The same as environment variables of a server process."""
    return {f"INVOKEAI_{name.upper()}": str(value) for name, value in storage_settings().items()}
