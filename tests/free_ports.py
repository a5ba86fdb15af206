"""Ports of 127.0.0.1 for servers under test. No port is handed out twice, not even by two processes of one test run."""

import os
import random
import re
import socket
from collections.abc import Iterator

FIRST, LAST = 10_000, 20_000
"""Below what the kernel gives to connections; a server may also take the port 10,000 above the one it was given."""


def _own_share() -> Iterator[int]:
    """The ports of this process: every so many, from a place that differs from run to run."""
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "0")))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    share = range(FIRST + worker, LAST, workers)
    start = random.randrange(len(share))
    yield from share[start:]
    yield from share[:start]


_ports = _own_share()


def free_port() -> int:
    """A port that nobody listens on now."""
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("every port was handed out")
