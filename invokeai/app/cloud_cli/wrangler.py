"""wrangler, make and docker as the deployment runs them.

Secrets travel over standard input alone, and what a tool says is shown without them.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SHOWN_LINES = 12
"""How much of what a failed tool said is repeated."""


class ToolFailed(Exception):
    """A tool could not be run or ended with a fault; the message is what it said last."""


class Tools:
    """Runs tools in the project's folder.

    Args:
        project: folder of the root wrangler.toml.
        wrangler: the wrangler to use; None takes the one of frontend/package.json.
    """

    def __init__(self, project: Path, wrangler: Path | None = None) -> None:
        self.project = project
        self.frontend = project / "frontend"
        self.wrangler_path = wrangler or self.frontend / "node_modules" / ".bin" / "wrangler"
        self.environment = {**os.environ, "WRANGLER_SEND_METRICS": "false", "CI": "1", "NO_COLOR": "1"}

    @property
    def docker(self) -> str:
        """The container engine, chosen as wrangler chooses it."""
        return self.environment.get("WRANGLER_DOCKER_BIN") or "docker"

    def use_account(self, account_id: str) -> None:
        """Let every further call of wrangler be for this account."""
        self.environment["CLOUDFLARE_ACCOUNT_ID"] = account_id

    def run(
        self, command: Sequence[str | Path], *, cwd: Path | None = None, given: str | None = None, shown: bool = False
    ) -> str:
        """Standard output of a tool; with `shown` it goes to the terminal instead.

        Raises:
            ToolFailed: it is not there, or ended with a fault.
        """
        try:
            done = subprocess.run(
                [str(word) for word in command],
                cwd=cwd or self.project,
                env=self.environment,
                input=given or "",
                stdout=None if shown else subprocess.PIPE,
                stderr=None if shown else subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            raise ToolFailed(f"{command[0]} cannot be run: {error.strerror}.") from None
        if done.returncode:
            said = f"{done.stdout or ''}\n{done.stderr or ''}"
            raise ToolFailed(_last_lines(said) or f"{Path(str(command[0])).name} ended with code {done.returncode}.")
        return done.stdout or ""

    def wrangler(
        self, *words: str | Path, cwd: Path | None = None, given: str | None = None, shown: bool = False
    ) -> str:
        """Standard output of wrangler. Raises ToolFailed."""
        return self.run([self.wrangler_path, *words], cwd=cwd, given=given, shown=shown)

    def wrangler_json(self, *words: str | Path) -> Any:
        """What wrangler says in JSON, which it may put after lines of another kind. Raises ToolFailed."""
        said = self.wrangler(*words)
        for start, sign in enumerate(said):
            if sign in "[{":
                try:
                    return json.loads(said[start:])
                except ValueError:
                    continue
        raise ToolFailed(f"wrangler {words[0]} did not answer in JSON: {_last_lines(said)}")

    def put_secrets(self, config: Path, values: Mapping[str, str]) -> None:
        """Set secrets of the Worker. Raises ToolFailed, without any of the values in it."""
        try:
            self.wrangler("secret", "bulk", "--config", config, given=json.dumps(dict(values)))
        except ToolFailed as failure:
            said = str(failure)
            for value in sorted(values.values(), key=len, reverse=True):
                said = said.replace(value, "…")
            raise ToolFailed(said) from None


def _last_lines(said: str) -> str:
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    return "\n".join(lines[-SHOWN_LINES:])
