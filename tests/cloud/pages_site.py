"""The Pages project of the deployment on the real engine: files, headers and Functions, as a process for tests."""

import os
import subprocess
import time
from pathlib import Path

from tests.cloud.d1_gateway import FRONTEND, alone_in_the_frontend
from tests.cloud.wrangler_dev import WranglerDev

THIS_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()} {time.time()}"


def build_frontend() -> Path:
    """What `make frontend` builds, once for all processes of a test run; the folder."""
    # a second build would end what is served and every socket through it
    built_in = FRONTEND / "node_modules" / ".frontend-built-in"
    with alone_in_the_frontend():
        if not built_in.exists() or built_in.read_text() != THIS_RUN:
            # the environment that runs the tests is the one to build with, whatever its age
            subprocess.run(["make", "--silent", "-o", ".venv/installed", "frontend"], cwd=FRONTEND.parent, check=True)
            built_in.write_text(THIS_RUN)
    return FRONTEND / "dist"


class PagesSite(WranglerDev):
    """The web UI and its way to the back end, under `wrangler pages dev`.

    Args:
        folder: an empty folder for what the engine keeps and logs.
        registry: where the Worker behind the service binding is found by name, as in production.
        backend_origin: address of a server to use instead, as in development.
        port: where it listens; None takes a free port.
    """

    def __init__(
        self, folder: Path, *, registry: Path | None = None, backend_origin: str | None = None, port: int | None = None
    ) -> None:
        words = ["pages", "dev"]
        if backend_origin is not None:
            words += ["--binding", f"BACKEND_ORIGIN={backend_origin}"]
        super().__init__(words, folder, "/locales/en.json", registry, port)
