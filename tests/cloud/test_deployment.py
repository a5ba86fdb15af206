"""The whole deployment but for the virtual machine: Chromium, Pages, Worker, the real server on D1 and a bucket.

Each test goes on with the studio that the test before has left.
"""

import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.cloud.deployed_page import DeployedPage, visitor
from tests.cloud.held_socket import HeldSocket
from tests.cloud.whole_deployment import WholeDeployment
from tests.ui.chromium import chromium
from tests.ui.conftest import ARTIFACTS

PATIENCE = 30_000
"""Milliseconds that a busy machine may take for what takes a moment."""

SIDE = 2650
"""A picture of noise this wide and high takes more than 20 MiB."""
WHILE_THE_SERVER_IS_AWAY = r"50[23]|WebSocket connection to|net::ERR|Gave up refetching|exception: Object"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, whole_deployment: WholeDeployment, request: pytest.FixtureRequest) -> Iterator[DeployedPage]:
    """A visitor; conftest.py lets no test pass whose page has met a fault that the test did not allow."""
    with visitor(browser, whole_deployment.address, whole_deployment.studio) as page:
        yield page
        ARTIFACTS.mkdir(exist_ok=True)
        page.screenshot(ARTIFACTS / f"{request.node.name}.png")


def generate(page: DeployedPage, prompt: str, count: int = 1) -> None:
    page.prompt(prompt)
    page.set_iterations(count)
    page.invoke()


def drawn(page: DeployedPage) -> int:
    """How many pictures of the gallery have arrived."""
    return sum(page.tiles.locator("img").evaluate_all("images => images.map(image => image.naturalWidth > 0)"))


def stored(page: DeployedPage) -> set[str]:
    """Names of the pictures that the server knows, uploads among them, intermediates not."""
    found = page.get("/v1/images/", is_intermediate=False, limit=100)
    return {str(image["image_name"]) for image in found["items"]}


def test_a_visitor_is_led_to_the_door_and_let_in_by_the_token(page: DeployedPage) -> None:
    page.record.allow(
        "401|Problem persisting state"
    )  # the wrong token, and what the page asks for after it lost its own
    page.sign_in("a-token-that-is-not-this-studios")
    expect(page.page.get_by_role("alert")).to_contain_text("not this studio", timeout=PATIENCE)
    page.sign_in()
    expect(page.invoke_button).to_be_enabled(timeout=PATIENCE)
    [cookie] = page.page.context.cookies()
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
    for path in ("/", "/app"):
        page.page.context.clear_cookies()
        page.page.goto(page.address + path)
        expect(page.page).to_have_url(f"{page.address}/access", timeout=PATIENCE)


def test_pictures_are_made_and_every_tab_runs_under_the_policy(page: DeployedPage) -> None:
    page.sign_in()
    generate(page, "a lighthouse in the fog")
    expect(page.tiles).to_have_count(1, timeout=PATIENCE)
    page.wait_for_queue(completed=1, failed=0)
    page.page.reload(wait_until="load")
    expect(page.tiles).to_have_count(1, timeout=PATIENCE)
    expect(page.page.locator("textarea").first).to_have_value("a lighthouse in the fog", timeout=PATIENCE)
    for tab in ("Upscaling", "Workflows", "Models", "Nodes", "Queue", "Canvas"):
        page.tab(tab)
        page.page.wait_for_load_state("networkidle")
    generate(page, "a canvas of waves")
    page.wait_for_queue(completed=2, failed=0)
    page.tab("Generate")
    assert page.record.faults() == []
    page.page.evaluate("document.head.append(Object.assign(document.createElement('script'), {text: '1'}))")
    page.until(lambda: any("policy violated: script-src" in fault for fault in page.record.faults()))
    page.record.allow("policy violated: script-src-elem inline|violates the following Content Security Policy")


def test_twenty_megabytes_pass_and_are_shown(page: DeployedPage, tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (SIDE, SIDE), random.Random(1).randbytes(SIDE * SIDE * 3))
    noise.save(tmp_path / "noise.png", compress_level=0)
    assert (tmp_path / "noise.png").stat().st_size > 20 * 2**20
    page.sign_in()
    expect(page.invoke_button).to_be_enabled(timeout=PATIENCE)
    with page.page.expect_file_chooser() as chooser:
        page.page.get_by_role("button", name="Upload Media").click()
    chooser.value.set_files(tmp_path / "noise.png")
    page.until(lambda: page.get("/v1/images/", categories="user")["total"] == 1)
    [uploaded] = page.get("/v1/images/", categories="user")["items"]
    assert (uploaded["width"], uploaded["height"]) == (SIDE, SIDE)
    page.page.get_by_role("button", name="Assets").or_(page.page.get_by_role("tab", name="Assets")).first.click()
    thumbnail = page.tiles.locator("img").first
    expect(thumbnail).to_be_visible(timeout=PATIENCE)
    page.until(lambda: thumbnail.evaluate("image => image.complete && image.naturalWidth") > 0)
    stored = page.api.get(f"/v1/images/i/{uploaded['image_name']}/full")
    assert Image.open(io.BytesIO(stored.content)).tobytes() == noise.tobytes()


# a fault of the development server, which Cloudflare does not run; everything else that fails is told at once
@pytest.mark.flaky(reruns=1, only_rerun="WranglerEnded:")
def test_a_restart_of_the_server_in_the_middle_loses_nothing(
    page: DeployedPage, whole_deployment: WholeDeployment
) -> None:
    page.sign_in()
    expect(page.invoke_button).to_be_enabled(timeout=PATIENCE)
    page.wait_for_queue(failed=0)
    before = stored(page)
    assert len(before) >= 2, "the picture and the upload of the tests before"
    generate(page, "a storm of leaves", 12)
    page.until(lambda: len(stored(page)) > len(before))
    assert page.record.faults() == []
    page.record.allow(WHILE_THE_SERVER_IS_AWAY)
    whole_deployment.studio.stop()
    page.page.goto(f"{page.address}/", wait_until="load")  # Pages has the page, the Worker knows the visitor
    expect(page.page.locator("#root > *").first).to_be_attached(timeout=PATIENCE)
    whole_deployment.studio.start()
    page.open()
    page.wait_for_queue(failed=0)
    after = stored(page)
    assert before <= after and len(after) == len(before) + 12
    assert all(page.api.get(f"/v1/images/i/{name}/full").status_code == 200 for name in after)
    drawings = len(after) - 1  # the upload is among the assets
    expect(page.tiles).to_have_count(drawings, timeout=PATIENCE)
    page.until(lambda: drawn(page) == drawings)
    expect(page.invoke_button).to_be_enabled(timeout=PATIENCE)


def test_a_socket_tells_of_pictures_and_is_held_on(page: DeployedPage, held_socket: HeldSocket) -> None:
    """Its fixture holds it for two minutes, while other tests run, and asks it once more."""
    page.sign_in()
    expect(page.invoke_button).to_be_enabled(timeout=PATIENCE)
    generate(page, "a late boat")
    page.wait_for_queue(failed=0)
    held_socket.wait_until_completed(str(page.get("/v1/queue/default/list_all")[-1]["batch_id"]))
