"""The D1 gateway on the real engine (workerd), as a process for tests."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from invokeai.app.services.shared.database.d1_client import D1Settings
from tests.bound_processes import start_bound
from tests.free_ports import free_port

FRONTEND = Path(__file__).parents[2] / "frontend"
TOKEN = "gateway-test-token"


@contextmanager
def alone_in_the_frontend() -> Iterator[None]:
    """Keeps out other processes of the test run that would install or build there at the same time."""
    with (FRONTEND / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_node_packages() -> None:
    """workerd, wrangler and what the Worker is made of, when they are not there yet."""
    wanted = FRONTEND / "package-lock.json"
    installed = FRONTEND / "node_modules" / ".package-lock.json"
    with alone_in_the_frontend():
        if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=FRONTEND, check=True)


class D1Gateway:
    """A gateway over `databases` empty databases, each handed out once; in memory, or kept in `folder`."""

    def __init__(self, databases: int, folder: Path | None = None) -> None:
        install_node_packages()
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._unused = iter(range(databases))
        command = [str(shutil.which("node")), "worker/serve_gateway.mjs", str(self.port), TOKEN, str(databases)]
        if folder is not None:
            command.append(str(folder))
        self._process = start_bound(command, cwd=FRONTEND, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready", "the D1 gateway did not start"

    def new_database(self, base_url: str | None = None) -> D1Settings:
        """Settings of an empty database; `base_url` goes through a proxy."""
        return D1Settings(base_url or self.base_url, "test-account", str(next(self._unused)), TOKEN)

    def stop(self) -> None:
        """End the process and its engine."""
        self._process.terminate()
        self._process.wait(timeout=60)
