"""The two servers under measurement, as processes.

A server is started in a root folder of its own on a free port of 127.0.0.1, and is always ended by the process id it
was started with.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import peer

HOST = "127.0.0.1"
VERSION_PATH = "/api/v1/app/version"
START_LIMIT_S = 120.0


class BenchmarkFailed(Exception):
    """A server did not start, or did not answer as its API promises."""


@dataclass(frozen=True)
class Contestant:
    """A program that serves the studio: how it is started, nothing about how it works.

    Attributes:
        name: column title in the results.
        command: program and arguments before `--root`.
        environment: variables added to the caller's.
        config: lines of `invokeai.yaml` beside host and port.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    config: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether this is the server of this repository."""
        return self.name == OURS


OURS = "InvokeAI Cloud"
PEER = f"InvokeAI {peer.VERSION}"


def ours(python: str = sys.executable) -> Contestant:
    """This repository's server, run by `python`'s environment."""
    return Contestant(OURS, (python, "-m", "invokeai.app.run_app"))


def upstream() -> Contestant:
    """The peer; `benchmarks.peer.install` must have run."""
    script = peer.peer_python().with_name("invokeai-web")
    return Contestant(PEER, (str(peer.peer_python()), str(script)), config=("schema_version: 4.0.3",))


@dataclass
class Running:
    """A started server."""

    contestant: Contestant
    root: Path
    port: int
    process: "subprocess.Popen[bytes]"
    seconds_to_answer: float

    @property
    def name(self) -> str:
        """The contestant's name."""
        return self.contestant.name

    @property
    def url(self) -> str:
        """Address without a trailing slash."""
        return f"http://{HOST}:{self.port}"

    def thumbnails(self) -> int:
        """How many thumbnails of pictures are stored."""
        return len(list((self.root / "outputs/images/thumbnails").glob("*.webp")))

    def wait_for_thumbnails(self, count: int) -> None:
        """Return when so many are stored.

        Raises:
            BenchmarkFailed: they are not after a minute.
        """
        for _ in range(3000):
            if self.thumbnails() >= count:
                return
            time.sleep(0.02)
        raise BenchmarkFailed(f"{self.name} drew {self.thumbnails()} of {count} thumbnails")

    def resident_bytes(self) -> int:
        """Resident memory of the process and everything it started."""
        return sum(_resident_bytes(pid) for pid in _process_tree(self.process.pid))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(contestant: Contestant, root: Path, environment: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Start a server, wait for its first 200, end it when the block ends.

    Raises:
        BenchmarkFailed: it ended or stayed silent for two minutes; the message carries the end of its log.
    """
    root.mkdir(parents=True, exist_ok=True)
    port = free_port()
    (root / "invokeai.yaml").write_text("\n".join([*contestant.config, f"host: {HOST}", f"port: {port}"]) + "\n")
    log = root / "server.log"
    variables = {**os.environ, **contestant.environment, **(environment or {})}
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*contestant.command, "--root", str(root)], stdout=output, stderr=output, env=variables, cwd=root
        )
        try:
            seconds = _wait_for_answer(process, port, began)
            if seconds is None:
                tail = log.read_text(errors="replace")[-2000:]
                raise BenchmarkFailed(f"{contestant.name} did not start:\n{tail}")
            yield Running(contestant, root, port, process, seconds)
        finally:
            _end(process)


def _wait_for_answer(process: "subprocess.Popen[bytes]", port: int, began: float) -> float | None:
    while process.poll() is None and time.perf_counter() - began < START_LIMIT_S:
        try:
            connection = http.client.HTTPConnection(HOST, port, timeout=10)
            connection.request("GET", VERSION_PATH)
            if connection.getresponse().status == 200:
                return time.perf_counter() - began
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.005)
    return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _process_tree(pid: int) -> list[int]:
    tree = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            tree += _process_tree(int(child))
    return tree


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
