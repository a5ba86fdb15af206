"""wrangler's development servers as processes for tests: `wrangler dev` and `wrangler pages dev` on the real engine."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.bound_processes import start_bound
from tests.cloud.d1_gateway import FRONTEND, install_node_packages
from tests.free_ports import free_port

START_SECONDS = 60
OFFLINE = {"CLOUDFLARE_CF_FETCH_ENABLED": "false", "WRANGLER_SEND_METRICS": "false", "WRANGLER_HIDE_BANNER": "true"}


class WranglerDev:
    """One development server; it answers when this is made.

    Args:
        words: the command and its options.
        folder: an empty folder for what the engine keeps and logs.
        answering: a path that is answered with 200 once it runs.
        registry: where local Workers and Pages projects find each other by name; None for a place of its own.
        port: where it listens; None takes a free port.
    """

    def __init__(
        self, words: list[str], folder: Path, answering: str, registry: Path | None = None, port: int | None = None
    ) -> None:
        install_node_packages()
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"{words[0]}.log"
        self._command = [str(FRONTEND / "node_modules/.bin/wrangler"), *words, "--ip", "127.0.0.1"]
        self._command += ["--port", str(self.port), "--inspector-port", "0", "--persist-to", str(folder / "state")]
        self._command += ["--show-interactive-dev-session=false"]
        self._environment = {**os.environ, **OFFLINE, "WRANGLER_REGISTRY_PATH": str(registry or folder / "registry")}
        self._environment["WRANGLER_LOG_PATH"] = str(folder / "wrangler.log")
        self._answering = answering
        self.start()

    def start(self) -> None:
        """Start at the same address with what it has kept; returns when it answers."""
        with self.log.open("ab") as log:
            self._process = start_bound(self._command, cwd=FRONTEND, env=self._environment, stdout=log, stderr=log)
        self._wait()

    def has_ended(self, within_seconds: float = 0) -> bool:
        """Whether it is gone. wrangler ends by itself when one connection between its own parts breaks."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within_seconds)
        return self._process.returncode is not None

    def stop(self) -> None:
        """End the process and its engine, which wrangler leaves behind when it alone is told to end."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(timeout=60)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and not self.has_ended():
            try:
                with urllib.request.urlopen(self.base_url + self._answering, timeout=5):
                    return
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"wrangler did not start:\n{self.log.read_text()[-6000:]}")
