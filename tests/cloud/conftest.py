"""Fixtures of the deployment's tests."""

from collections.abc import Generator, Iterator

import pytest

from tests.cloud.cloud_worker import CloudDeployment
from tests.cloud.d1_gateway import D1Gateway
from tests.cloud.deployed_page import DeployedPage
from tests.cloud.held_socket import HeldSocket
from tests.cloud.s3_server import S3Server
from tests.cloud.whole_deployment import WholeDeployment


class WranglerEnded(Exception):
    """A development server of wrangler was gone at the end of a test; it runs again now."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A visit to the whole deployment counts when its page has met no fault; and not when wrangler itself has ended."""
    visit = getattr(item, "funcargs", {})
    page, deployment = visit.get("page"), visit.get("whole_deployment")
    try:
        result = yield
        if isinstance(page, DeployedPage):
            faults = page.record.faults()
            assert not faults, "\n".join(faults)
        return result
    except Exception as error:
        if deployment is not None and (ended := deployment.bring_back()):
            raise WranglerEnded(ended) from error
        raise


@pytest.fixture(scope="session")
def cloud_worker(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[CloudDeployment]:
    """The deployment as it runs on Cloudflare, but for the virtual machine: Worker, server, D1, bucket.

    One for all: a test leaves the queue running and does not count on an empty library.
    """
    deployment = CloudDeployment(tmp_path_factory.mktemp("deployment"), s3_server.new_bucket())
    yield deployment
    deployment.stop()


@pytest.fixture(scope="session")
def whole_deployment(
    tmp_path_factory: pytest.TempPathFactory, d1_gateway: D1Gateway, s3_server: S3Server
) -> Iterator[WholeDeployment]:
    """Pages, Worker and server from end to end, under wrangler's own development servers."""
    folder = tmp_path_factory.mktemp("whole")
    deployment = WholeDeployment(folder, d1_gateway.new_database(), s3_server.new_bucket())
    yield deployment
    deployment.stop()


@pytest.fixture(scope="session")
def held_socket(whole_deployment: WholeDeployment, request: pytest.FixtureRequest) -> Iterator[HeldSocket]:
    """A socket through Pages and Worker; at the end it must have been held for `--socket-seconds` and still tell."""
    socket = HeldSocket(whole_deployment.address)
    yield socket
    # the other tests of the session run meanwhile, so there is little left to wait for
    socket.hold(request.config.getoption("--socket-seconds"))
    socket.wait_until_completed(whole_deployment.generate("two minutes later"))
    socket.close()
