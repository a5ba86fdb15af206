"""One browser for these tests, one server with an empty root for a module, one recorded page for a test.

A test fails when the page logged an error or the server answered 404, 405 or 5xx, whatever else it asserts.
A failure leaves a screenshot and the record of the page in `tests/artifacts`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.storage_engines import storage_environment
from tests.studio_process import StudioProcess
from tests.ui.chromium import chromium
from tests.ui.studio_page import StudioPage

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
VIEW = {"width": 1600, "height": 1000}


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Gone before the tests of other folders."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def ui_studio(tmp_path_factory: pytest.TempPathFactory, storage_engine: None) -> Iterator[StudioProcess]:
    """A server with the web UI on an empty root."""
    root = tmp_path_factory.mktemp("studio") / "root"
    process = StudioProcess(root, web_ui=True, settings=storage_environment()).start()
    yield process
    process.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Remember on the item how its call went, for the fixture below."""
    report = yield
    if call.when == "call":
        item.stash[_CALL_FAILED] = report.failed
    return report


_CALL_FAILED = pytest.StashKey[bool]()


@pytest.fixture
def page(browser: Browser, ui_studio: StudioProcess, request: pytest.FixtureRequest) -> Iterator[StudioPage]:
    """The studio in a fresh browser profile, loaded and connected; checked for errors at the end of the test."""
    context = browser.new_context(viewport=VIEW, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    studio_page = StudioPage(context.new_page(), ui_studio)
    try:
        studio_page.api.post("/v1/client_state/default/delete").raise_for_status()  # what other tests chose
        studio_page.open()
        yield studio_page
        faults = studio_page.record.faults()
        if faults or request.node.stash.get(_CALL_FAILED, True):
            _keep(studio_page, request.node.name)
        assert not faults, "\n".join(faults)
    except BaseException:
        _keep(studio_page, request.node.name)
        raise
    finally:
        context.close()


def _keep(studio_page: StudioPage, test: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    name = re.sub(r"[^\w.-]+", "_", test)
    studio_page.page.screenshot(path=ARTIFACTS / f"{name}.png")
    (ARTIFACTS / f"{name}.log").write_text("\n".join(studio_page.record.lines) + "\n")
    (ARTIFACTS / f"{name}.server.log").write_text(studio_page.server.log_text())
