"""The deployed studio as a person uses it, from its address on Pages; violations of the page's policy are faults."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Browser, Page, expect

from tests.cloud.cloud_worker import ACCESS_TOKEN, BEARER
from tests.studio_process import StudioProcess
from tests.ui.studio_page import StudioPage

TELL_VIOLATIONS = """addEventListener("securitypolicyviolation",
  (event) => console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`))"""


class DeployedPage(StudioPage):
    """One browser page at `address`; questions of the test go there too, as those of a program."""

    def __init__(self, page: Page, address: str, server: StudioProcess) -> None:
        super().__init__(page, server)
        self.address = address
        self.api = httpx.Client(base_url=f"{address}/api", headers=BEARER, timeout=30)
        page.add_init_script(TELL_VIOLATIONS)

    def open(self) -> None:
        """Load the page and wait until it is connected."""
        self.page.goto(f"{self.address}/", wait_until="load")
        expect(self.invoke_button).to_be_enabled(timeout=30_000)

    def sign_in(self, token: str = ACCESS_TOKEN) -> None:
        """Go to the studio, be led to the door, and give the token."""
        self.page.goto(f"{self.address}/")
        expect(self.page).to_have_url(f"{self.address}/access", timeout=30_000)
        self.page.get_by_label("Access token").fill(token)
        self.page.get_by_role("button", name="Open").click()


@contextmanager
def visitor(browser: Browser, address: str, server: StudioProcess) -> Iterator[DeployedPage]:
    """A visitor who was never there before."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000}, accept_downloads=True)
    try:
        yield DeployedPage(context.new_page(), address, server)
    finally:
        context.close()
