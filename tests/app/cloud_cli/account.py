"""A checkout, the simulated account that it is deployed to, and the command."""

import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.cloud_cli.commands import main
from tests.simulators.deployed_studio import DeployedStudio

REPOSITORY = Path(__file__).parents[3]
SIMULATOR = REPOSITORY / "tests" / "simulators" / "wrangler.py"
R2 = {"INVOKEAI_R2_ACCESS_KEY_ID": "r2-key-id-canary", "INVOKEAI_R2_SECRET_ACCESS_KEY": "r2-secret-canary"}
PATIENCE = 0.3
"""Seconds; enough to be asked several times."""


class Terminal(io.StringIO):
    """Standard output that somebody reads."""

    def isatty(self) -> bool:
        return True


class Account:
    """A checkout and the account that it is deployed to."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], studio: DeployedStudio) -> None:
        self.project, self.state, self._capfd = folder / "checkout", folder / "account.json", capfd
        self.simulator = folder / "wrangler"
        self.simulator.write_text(f"#!{sys.executable} -IS\n" + SIMULATOR.read_text())
        self.simulator.chmod(0o755)
        (self.project / "frontend" / "worker").mkdir(parents=True)
        lock, worker = "frontend/package-lock.json", "frontend/worker/worker.js"
        for name in ("wrangler.toml", "frontend/wrangler.toml", lock, worker, "Dockerfile"):
            shutil.copy(REPOSITORY / name, self.project / name)
        (self.project / "invokeai").symlink_to(REPOSITORY / "invokeai")
        (self.project / "Makefile").write_text(
            ".PHONY: frontend\nfrontend:\n\tmkdir -p frontend/dist && touch frontend/dist/index.html\n"
        )
        npm = folder / "bin" / "npm"
        npm.parent.mkdir()
        npm.write_text("#!/bin/sh\necho $* >> npm.log; mkdir -p node_modules; touch node_modules/.package-lock.json\n")
        npm.chmod(0o755)
        empty: dict[str, Any] = {"databases": {}, "buckets": [], "workers": {}, "pages": {}, "calls": [], "faults": {}}
        self.set(**empty, logged_in=True, accounts=1, deploys=0, migrated=None, domain=studio.domain)
        self.address, self.studio = f"https://{studio.domain}", studio
        studio.state, studio.ails, studio.elsewhere, studio.asked = self.state, [], None, []
        studio.has_files_alone = False

    def get(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.state.read_text())
        return state

    def set(self, **members: Any) -> None:
        kept = self.get() if self.state.exists() else {}
        self.state.write_text(json.dumps({**kept, **members}))

    def replace(self, file: str, old: str, new: str) -> None:
        """Another text in a file of the checkout."""
        text = (self.project / file).read_text()
        assert old in text
        (self.project / file).write_text(text.replace(old, new))

    def deploy(self, *words: str, out: io.StringIO | None = None) -> tuple[int, str]:
        """Exit code, and everything that was said; at a terminal, unless there is another `out`."""
        out = out or Terminal()
        self._capfd.readouterr()
        with redirect_stdout(out):
            code = main([*self._command(), *words])
        captured = self._capfd.readouterr()
        return code, out.getvalue() + captured.out + captured.err

    def deploy_until_killed(self, fault: str) -> None:
        """The command in a process of its own, which is killed once wrangler has acted on `fault`."""
        self.set(faults={fault: "kill"})
        command = [sys.executable, "-m", "invokeai.app.cloud_cli", *self._command()]
        terminal, its_side = pty.openpty()
        try:
            done = subprocess.run(command, stdout=its_side, stderr=subprocess.PIPE)
        finally:
            os.close(terminal)
            os.close(its_side)
        assert done.returncode == -signal.SIGKILL, done.stderr
        self.set(faults={})

    def _command(self) -> list[str]:
        places = ("--project", str(self.project), "--wrangler", str(self.simulator))
        return ["deploy", *places, "--patience", str(PATIENCE)]

    def secrets(self) -> dict[str, str]:
        found: dict[str, str] = self.get()["workers"]["invokeai-cloud"]
        return found


def token_in(said: str) -> str:
    """The access token that was shown."""
    (found,) = re.findall(r"shown this once.*: (\S+)$", said, re.MULTILINE)
    return str(found)
