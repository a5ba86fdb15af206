"""Processes that end with the test process that started them, whichever way that ends, with everything they started.

Each leads a group of its own. A guard outside of all groups reads their ids from a pipe whose other end only the test
process holds: when it is gone, SIGKILL included, the pipe ends and the guard kills the groups that are left.
"""

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any


def start_bound(command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
    """`subprocess.Popen` with these options, in a group of its own that ends with this process. Its input is empty."""
    process = subprocess.Popen(command, start_new_session=True, **{"stdin": subprocess.DEVNULL, **options})
    bind(process.pid)
    return process


def bind(leader: int) -> None:
    """Let the process group of `leader`, which was started with `start_new_session`, end with this process."""
    if (began := began_at(leader)) is not None:
        stdin = _guard().stdin
        assert stdin is not None
        stdin.write(f"{leader} {began}\n".encode())
        stdin.flush()


def began_at(process: int) -> int | None:
    """When a process began, in ticks of the kernel; None where it is gone. A later one of the same id has another."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return None


@cache
def _guard() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-IS", __file__]
    null = subprocess.DEVNULL
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=null, stderr=null, start_new_session=True)
    atexit.register(guard.communicate)
    return guard


def _guard_until_the_end() -> None:
    groups = [tuple(map(int, line.split())) for line in sys.stdin]
    for leader, began in groups:
        # a group may outlive its leader, and its id is not given anew while it does
        if began_at(leader) in (began, None):
            with suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGKILL)


if __name__ == "__main__":
    _guard_until_the_end()
