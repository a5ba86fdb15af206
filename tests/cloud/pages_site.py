"""The Pages project of the deployment on the real engine: files, headers and Functions, as a process for tests."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.cloud.d1_gateway import FRONTEND, free_port, install_node_packages

START_SECONDS = 60
OFFLINE = {"CLOUDFLARE_CF_FETCH_ENABLED": "false", "WRANGLER_SEND_METRICS": "false", "WRANGLER_HIDE_BANNER": "true"}


def build_frontend() -> Path:
    """What `make frontend` builds; the folder."""
    # the environment that runs the tests is the one to build with, whatever its age
    subprocess.run(["make", "--silent", "-o", ".venv/installed", "frontend"], cwd=FRONTEND.parent, check=True)
    return FRONTEND / "dist"


class PagesSite:
    """The web UI and its way to the back end.

    Args:
        folder: an empty folder for what the engine keeps and logs.
        registry: where the Worker behind the service binding is found by name, as in production.
        backend_origin: address of a server to use instead, as in development.
        port: where it listens; None takes a free port.
    """

    def __init__(
        self, folder: Path, *, registry: Path | None = None, backend_origin: str | None = None, port: int | None = None
    ) -> None:
        install_node_packages()
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "pages.log"
        command = [str(FRONTEND / "node_modules/.bin/wrangler"), "pages", "dev", "--ip", "127.0.0.1"]
        command += ["--port", str(self.port), "--inspector-port", "0", "--persist-to", str(folder / "state")]
        command += ["--show-interactive-dev-session=false"]
        if backend_origin is not None:
            command += ["--binding", f"BACKEND_ORIGIN={backend_origin}"]
        environment = {**os.environ, **OFFLINE, "WRANGLER_REGISTRY_PATH": str(registry or folder / "registry")}
        environment["WRANGLER_LOG_PATH"] = str(folder / "wrangler.log")
        with self.log.open("wb") as log:
            # a group of its own: wrangler leaves its engine behind when only the first process is told to end
            self._process = subprocess.Popen(
                command, cwd=FRONTEND, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._wait()

    def stop(self) -> None:
        """End the process and its engine."""
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(timeout=20)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.base_url}/locales/en.json", timeout=5):
                    return
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"The Pages project did not start:\n{self.log.read_text()[-6000:]}")
