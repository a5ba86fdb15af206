"""Builds the image and runs it: buildah and podman as root, no daemon, no registry.

Every container gets a port on 127.0.0.1 and is removed at the end.
"""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
IMAGE = "localhost/invokeai-cloud"
CONFIGURATION = Path(__file__).with_name("containers.conf")
FROM_HOST = ("/etc/ssl/certs", "/etc/pip.conf")
"""What a build here needs to reach PyPI; it does not enter the image."""


def build(tag: str, *arguments: str) -> str:
    """Build the Dockerfile; the image's name."""
    name = f"{IMAGE}:{tag}"
    volumes = [word for path in FROM_HOST if Path(path).exists() for word in ("-v", f"{path}:{path}:ro")]
    command = ["buildah", "bud", "--format", "docker", "--pull-never", "--isolation", "chroot", "--layers", *volumes]
    done = subprocess.run([*command, *arguments, "-t", name, str(REPOSITORY)], capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return name


def layer_bytes(image: str, folder: Path) -> list[int]:
    """Compressed sizes of the image's layers as a registry gets them, the base first."""
    subprocess.run(["buildah", "push", "-q", image, f"oci:{folder}:it"], check=True)

    def blob(digest: str) -> Any:
        return json.loads((folder / "blobs" / digest.replace(":", "/")).read_text())

    index = json.loads((folder / "index.json").read_text())
    return [layer["size"] for layer in blob(index["manifests"][0]["digest"])["layers"]]


class Running:
    """A container that runs."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.url = name, f"http://127.0.0.1:{port}"
        self.seconds_to: dict[str, float] = {}
        """From the start of the container to the first 200 of a path."""

    def podman(self, *words: str) -> str:
        """What a command of podman says; fails when it fails."""
        environment = os.environ | {"CONTAINERS_CONF": str(CONFIGURATION)}
        done = subprocess.run(["podman", *words], capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == 0, f"podman {words}: {done.stderr}"
        return done.stdout

    def inside(self, *words: str) -> str:
        """What a command in the container says."""
        return self.podman("exec", self.name, *words)

    def peak_bytes(self) -> int:
        """The most memory that the container's processes had, page cache included."""
        for name in ("memory/memory.max_usage_in_bytes", "memory.peak"):
            try:
                return int(self.inside("cat", f"/sys/fs/cgroup/{name}"))
            except AssertionError:
                continue
        raise AssertionError("the kernel does not tell the peak")

    def processor_seconds(self) -> float:
        """What the server has taken of the processor's time."""
        user, system = self.inside("cat", "/proc/1/stat").rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.podman("inspect", self.name))[0]["State"]
        return found

    def stop(self) -> None:
        """SIGTERM, as a platform ends it; SIGKILL after a minute."""
        self.podman("stop", "-t", "60", self.name)

    def wait_for(self, path: str) -> None:
        """Until the path answers."""
        began = time.perf_counter()
        while True:
            try:
                with urllib.request.urlopen(self.url + path, timeout=60):
                    break
            except (OSError, urllib.error.HTTPError) as error:
                assert time.perf_counter() - began < 120, f"{error}\n{self.podman('logs', self.name)}"
                time.sleep(0.005)
        self.seconds_to[path] = time.perf_counter() - began


@contextmanager
def running(image: str, port: int, *options: str) -> Iterator[Running]:
    """A container of `image` until the block ends."""
    container = Running(f"studio-{port}", port)
    # a network of its own would come and go, and Chromium beside it drops its requests whenever one does
    network = ["--network", "host", "-e", "INVOKEAI_HOST=127.0.0.1", "-e", f"INVOKEAI_PORT={port}"]
    container.podman("run", "-d", "--name", container.name, *network, *options, image)
    try:
        container.wait_for("/healthz")
        container.wait_for("/api/v1/app/version")
        yield container
    finally:
        container.podman("rm", "-f", "-t", "0", container.name)
