"""The studio as a person uses it: words and buttons on the page, nothing of its code."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Response, expect

from tests.studio_process import StudioProcess

HARMLESS = re.compile("NO_I18NEXT_INSTANCE")
"""The bundle says this before it asks the server for anything: one component is drawn before its texts are there."""
VIEW_MIDDLE = (800, 980)


class PageRecord:
    """Everything the page said and asked for, in order, and what of it must not be."""

    def __init__(self, page: Page) -> None:
        self.lines: list[str] = []
        self._faults: list[str] = []
        self._allowed: list[re.Pattern[str]] = []
        self.calls: list[tuple[str, str, int]] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._fault(f"exception: {error}"))
        page.on("response", self._response)
        page.on("requestfailed", self._failed)

    def allow(self, pattern: str) -> None:
        """This fault is what the test is about."""
        self._allowed.append(re.compile(pattern))

    def faults(self) -> list[str]:
        """Errors and warnings of the console, answers 404, 405 and 5xx, that no test has allowed."""
        patterns = [HARMLESS, *self._allowed]
        return [fault for fault in self._faults if not any(pattern.search(fault) for pattern in patterns)]

    def count(self, method: str, path: str) -> int:
        """How many calls with `method` went to a path that contains `path`."""
        return sum(1 for m, url, _ in self.calls if m == method and path in url)

    def _console(self, message: ConsoleMessage) -> None:
        line = f"console {message.type}: {message.text}"
        self.lines.append(line)
        if message.type in ("error", "warning"):
            self._faults.append(f"{line} ({message.location.get('url', '')})")

    def _response(self, response: Response) -> None:
        method, status = response.request.method, response.status
        self.lines.append(f"{status} {method} {response.url}")
        self.calls.append((method, response.url, status))
        if status in (404, 405, 422) or status >= 500:
            self._fault(f"{status} {method} {response.url}")

    def _failed(self, request: Request) -> None:
        self.lines.append(f"failed {request.method} {request.url}: {request.failure}")

    def _fault(self, line: str) -> None:
        self.lines.append(line)
        self._faults.append(line)


class StudioPage:
    """One browser page on one server."""

    def __init__(self, page: Page, server: StudioProcess) -> None:
        self.page = page
        self.server = server
        self.record = PageRecord(page)
        self.api = httpx.Client(base_url=f"{server.base_url}/api", timeout=30)
        page.set_default_timeout(30_000)
        # shown some moment after the first load, over other things
        news = page.get_by_text("What's New in Invoke")
        page.add_locator_handler(
            news, lambda: page.get_by_role("button", name="Close").locator("visible=true").last.click()
        )

    def open(self) -> None:
        """Load the page and wait until it is connected."""
        self.page.goto(f"{self.server.base_url}/", wait_until="load")
        expect(self.invoke_button).to_be_enabled(timeout=30_000)

    @property
    def invoke_button(self) -> Locator:
        """The big Invoke button."""
        return self.page.get_by_role("button", name="Invoke", exact=False).first

    def tab(self, name: str) -> None:
        """Go to a tab by its name in the left bar: Generate, Canvas, Upscaling, Workflows, Models, Queue."""
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def prompt(self, text: str) -> None:
        """Type the prompt."""
        field = self.page.locator("textarea").first
        field.fill(text)
        field.blur()

    @property
    def tiles(self) -> Locator:
        """The pictures of the gallery that are drawn now."""
        return self.page.locator("[data-item-id]")

    @property
    def model_button(self) -> Locator:
        """The model that is chosen, in the panel on the left."""
        names = "|".join(re.escape(model["name"]) for model in self.get("/v2/models/")["models"]).replace("/", "\\/")
        return self.page.get_by_role("button", name=re.compile(f"^({names})$")).locator("visible=true").last

    def choose_model(self, name: str) -> None:
        """Choose a model in the panel on the left."""
        self.model_button.click()
        option = self.page.locator(".picker-option", has=self.page.get_by_text(name, exact=True))
        option.locator("visible=true").first.click()
        expect(self.model_button).to_have_text(name)

    def set_iterations(self, count: int) -> None:
        """How many pictures one press of Invoke makes."""
        field = self.page.get_by_role("spinbutton").first
        field.click()
        field.press("Control+A")
        field.press_sequentially(str(count))
        field.press("Tab")
        expect(field).to_have_value(str(count))
        self.rest()

    def context_menu(self, what: Locator, entry: str) -> None:
        """Press the right button on `what` and choose an entry."""
        what.click(button="right")
        self.page.get_by_role("menuitem", name=entry, exact=True).locator("visible=true").last.click()

    def rest(self) -> None:
        """Take the pointer away, so that no hint covers anything."""
        self.page.mouse.move(VIEW_MIDDLE[0], VIEW_MIDDLE[1])

    def invoke(self) -> None:
        """Press Invoke once it can be pressed, and wait until the server has queued the work."""
        expect(self.invoke_button).to_be_enabled()
        with self.page.expect_response(re.compile("/enqueue_batch$")):
            self.invoke_button.click()
        self.rest()

    def wait_for_queue(self, **wanted: int) -> dict[str, Any]:
        """Wait until nothing is queued and the counts are as `wanted`; the counts."""

        def counts() -> dict[str, Any]:
            found: dict[str, Any] = self.get("/v1/queue/default/status")["queue"]
            if wanted.get("failed") == 0 and found["failed"]:
                failed = [i["error_message"] for i in self.get("/v1/queue/default/list_all") if i["status"] == "failed"]
                raise AssertionError(f"items failed: {failed}")
            return found

        self.until(
            lambda: (c := counts())["pending"] + c["in_progress"] == 0 and all(c[k] == n for k, n in wanted.items())
        )
        return counts()

    def get(self, path: str, **params: Any) -> Any:
        """What the server says, past the browser."""
        answer = self.api.get(path, params=params)
        answer.raise_for_status()
        return answer.json()

    def server_document(self) -> dict[str, Any]:
        """The server's OpenAPI document."""
        document: dict[str, Any] = self.api.get(f"{self.server.base_url}/openapi.json").json()
        return document

    def until(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until `holds`; the page goes on meanwhile."""
        for _ in range(int(seconds * 10)):
            if holds():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("what the test waits for did not happen")

    def screenshot(self, path: Path) -> None:
        """Keep what the page shows now."""
        self.page.screenshot(path=path)
