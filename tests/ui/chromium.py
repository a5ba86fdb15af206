"""Chromium without a window, as the tests drive it; with Debian's lean build of it where that is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

BUILDS = (Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium"))
"""The first one has no window to draw at all, which saves a third of the processor's time for a page."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
# a page lives for seconds here: V8's optimizing compilers would take longer than they save
FLAGS += ["--js-flags=--no-maglev,--no-opt"]
PATIENCE_MS = 20_000
"""How long a busy machine may take for what takes a moment."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, whose event loop is the thread's: it must be gone before the next asynchronous test."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        build = next(path for path in BUILDS if path.exists())
        browser = playwright.chromium.launch(executable_path=build, headless=True, args=FLAGS)
        yield browser
        browser.close()
