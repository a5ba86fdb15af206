"""Fixtures of the deployment's tests."""

from collections.abc import Iterator

import pytest

from tests.cloud.cloud_worker import CloudDeployment
from tests.cloud.s3_server import S3Server


@pytest.fixture(scope="session")
def cloud_worker(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[CloudDeployment]:
    """The deployment as it runs on Cloudflare, but for the virtual machine: Worker, server, D1, bucket.

    One for all: a test leaves the queue running and does not count on an empty library.
    """
    deployment = CloudDeployment(tmp_path_factory.mktemp("deployment"), s3_server.new_bucket())
    yield deployment
    deployment.stop()
