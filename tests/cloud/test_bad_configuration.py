"""A wrong setting of D1 or R2 ends the start with one sentence that names it and holds no secret."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.d1_gateway import TOKEN, D1Gateway
from tests.cloud.fault_proxy import Fault, FaultProxy
from tests.cloud.s3_server import SECRET_KEY, S3Server
from tests.cloud.server_settings import cloud_settings
from tests.studio_process import StudioProcess

SKEWED = "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>"


@pytest.fixture
def right(d1_gateway: D1Gateway, s3_server: S3Server) -> dict[str, str]:
    return cloud_settings(d1_gateway.new_database(), s3_server.new_bucket())


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    proxy = FaultProxy(s3_server.endpoint)
    yield proxy
    proxy.stop()


def last_words(root: Path, settings: dict[str, str]) -> str:
    """What the server says before it ends; fails when it starts."""
    process = StudioProcess(root, settings=settings)
    started = time.monotonic()
    with pytest.raises(RuntimeError):
        process.start()
        process.stop()
    assert time.monotonic() - started < 30  # 5 s of its own; the machine may be busy
    words = process.log_text()
    assert "Traceback" not in words
    assert SECRET_KEY not in words and TOKEN not in words
    return words


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("INVOKEAI_D1_API_TOKEN", "wrong", "d1_api_token"),
        ("INVOKEAI_D1_DATABASE_ID", "wrong", "d1_database_id"),
        ("INVOKEAI_D1_DATABASE_ID", "", "d1_database_id"),
        ("INVOKEAI_D1_BASE_URL", "http://127.0.0.1:9", "d1_base_url"),
        ("INVOKEAI_D1_BASE_URL", "nothing like it", "d1_base_url"),
        ("INVOKEAI_R2_BUCKET", "no-such-bucket", "r2_bucket"),
        ("INVOKEAI_R2_BUCKET", "", "r2_bucket"),
        ("INVOKEAI_R2_ACCESS_KEY_ID", "wrong", "r2_access_key_id"),
        ("INVOKEAI_R2_SECRET_ACCESS_KEY", "wrong", "r2_secret_access_key"),
        ("INVOKEAI_R2_SECRET_ACCESS_KEY", "", "r2_secret_access_key"),
        ("INVOKEAI_R2_ENDPOINT", "http://127.0.0.1:9", "r2_endpoint"),
        ("INVOKEAI_DATABASE", "oracle", "database"),
    ],
)
def test_the_start_names_the_setting(tmp_path: Path, right: dict[str, str], name: str, value: str, said: str) -> None:
    assert said in last_words(tmp_path / "root", right | {name: value})


def test_a_wrong_clock_is_told(tmp_path: Path, right: dict[str, str], proxy: FaultProxy) -> None:
    proxy.faults = [Fault("answer", 403, SKEWED)] * 3
    assert "clock" in last_words(tmp_path / "root", right | {"INVOKEAI_R2_ENDPOINT": proxy.base_url})


def test_silent_engines_do_not_hold_the_start(tmp_path: Path, right: dict[str, str], proxy: FaultProxy) -> None:
    proxy.faults = [Fault("silence", seconds=60)]
    words = last_words(tmp_path / "root", right | {"INVOKEAI_R2_ENDPOINT": proxy.base_url})
    assert "r2_endpoint" in words
