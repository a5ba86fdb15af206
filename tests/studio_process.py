"""A studio as a user runs it: the real server in a process of its own, on a free port, with a root of its own."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from invokeai.app.services.config.config import PROVIDER_KEYS
from tests.bound_processes import start_bound
from tests.free_ports import free_port

START_SECONDS = 60
STOP_SECONDS = 60
HIDDEN_FROM_THE_SERVER = ("INVOKEAI_", *PROVIDER_KEYS.values())
"""A test never uses a key or a setting of the person who runs it."""


class StudioProcess:
    """Starts, stops and kills one server. The port stays the same over restarts; the log goes to `log`."""

    def __init__(
        self, root: Path, *, web_ui: bool = False, settings: dict[str, str] | None = None, port: int | None = None
    ) -> None:
        self.root = root
        self.log = root.parent / f"{root.name}.log"
        self.port = port or free_port()
        self._settings = {"INVOKEAI_WEB_UI": "auto" if web_ui else "none", **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """The address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def start(self) -> "StudioProcess":
        """Start the server and wait until it answers; fails with its log when it ends before that."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN_FROM_THE_SERVER)}
        self.root.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "invokeai.app.run_app", "--root", str(self.root), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = start_bound(command, stdout=log, stderr=log, env={**kept, **self._settings})
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"The server did not start (exit code {self._process.poll()}):\n{self.log_text()[-6000:]}"
                )
            time.sleep(0.05)
        return self

    def kill(self) -> None:
        """kill -9, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM, then wait for the end; the exit code. A server that hangs is killed and its log raised."""
        if self._process is None or self._process.poll() is not None:
            return self._process.returncode if self._process else 0
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; the exit code. A server that hangs is killed and its log raised."""
        assert self._process is not None
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"The server did not end:\n{self.log_text()[-6000:]}") from None

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def log_text(self) -> str:
        """Everything the server has logged, over all of its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.base_url}/api/v1/app/version", timeout=5):
                return True
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            return False
