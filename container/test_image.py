"""The image is lean and closed, and the server in it starts quickly, works in 256 MiB and ends in order.

`make test-image` builds and runs it (Debian, as root); the figures are printed at the end.
"""

import asyncio
import json
import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import httpx
import pytest

from benchmarks import slow_provider
from benchmarks.generations import install_plugin
from benchmarks.servers import free_port
from container.engine import REPOSITORY, Running, build, layer_bytes, running

MEBIBYTE = 2**20
LITE = ("--memory", "256m", "--memory-swap", "256m")


pytestmark = pytest.mark.timeout(900)
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def image() -> str:
    tools = subprocess.run(["sh", "container/tools.sh"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    if tools.returncode != 0:
        pytest.skip(f"the image cannot be tested here: {tools.stdout.strip()}")
    return build("test")


@pytest.fixture(scope="module")
def studio(image: str) -> Iterator[Running]:
    with running(image, free_port(), *LITE) as container:
        yield container


def test_the_layers_above_the_base_are_small(image: str, tmp_path: Path, record_property: Record) -> None:
    base, *ours = layer_bytes(image, tmp_path / "oci")
    sizes = f"{sum(ours) / 1e6:.1f} MB (base here: {base / 1e6:.1f} MB)"
    record_property("figure", f"layers of ours, compressed: {sizes}")
    assert sum(ours) <= 45e6


def test_nobody_in_it_is_root_and_nothing_in_it_builds(studio: Running) -> None:
    assert studio.inside("id", "-u").strip() == "10001"
    modules = (
        "import importlib.util as u; print([n for n in ('pip', 'torch', 'pytest', 'hatchling') if u.find_spec(n)])"
    )
    assert studio.inside("python", "-c", modules).strip() == "[]"
    assert "Permission denied" in studio.inside("sh", "-c", "touch /opt/venv/x 2>&1 || true")
    config = json.loads(studio.podman("inspect", studio.name))[0]["Config"]
    assert (config["User"], config["StopSignal"]) == ("10001:10001", 15)
    studio.inside(*config["Healthcheck"]["Test"][1:])
    page = urllib.request.urlopen(studio.url + "/", timeout=20).read().decode()
    assert "switched off" in page


def test_the_openapi_document_comes_with_the_image(studio: Running, record_property: Record) -> None:
    before = studio.processor_seconds()
    document = httpx.get(studio.url + "/openapi.json", timeout=60).json()
    record_property("figure", f"first /openapi.json: {studio.processor_seconds() - before:.2f} s of a core")
    assert len(document["paths"]) > 100
    # what a server builds it keeps in its root
    assert "openapi" not in studio.inside("sh", "-c", "ls /data/cache 2>&1 || true")


def test_everything_that_a_start_imports_has_its_bytecode(studio: Running) -> None:
    program = (
        "import os, sys, invokeai.app.api_app, uvicorn, boto3, aiohttp, numpy, PIL.Image\n"
        "from invokeai.app.api_app import create_app\n"
        "from invokeai.app.services.config.config import load_config\n"
        "create_app(load_config('/tmp/x'))\n"
        "made = [m.__cached__ for m in list(sys.modules.values()) if getattr(m, '__cached__', None)]\n"
        "print(len(made), [path for path in made if not os.path.exists(path)])\n"
    )
    count, _, missing = studio.inside("python", "-c", program).strip().partition(" ")
    assert int(count) > 800 and missing == "[]"


@pytest.mark.parametrize(
    "kind, cpus", [("two whole cores", ()), ("basic, a quarter", ("25000",)), ("lite, a sixteenth", ("6250",))]
)
def test_cold_start(image: str, kind: str, cpus: tuple[str, ...], record_property: Record) -> None:
    limits = ["--cpu-period", "100000", "--cpu-quota", *cpus] if cpus else []
    alive, answers = [], []
    for _ in range(1 if cpus else 5):
        with running(image, free_port(), *LITE, *limits) as container:
            alive.append(container.seconds_to["/healthz"])
            answers.append(sum(container.seconds_to.values()))
    seconds = f"/healthz {median(alive):.2f} s, first answer {median(answers):.2f} s"
    record_property("figure", f"cold start with {kind}: {seconds}")


def test_sixty_four_generations_at_once_fit_into_256_mebibytes(
    image: str, tmp_path: Path, record_property: Record
) -> None:
    install_plugin(tmp_path)
    port, count = free_port(), 64
    with slow_provider.running(2.0, side=1024) as address:
        options = [*LITE, "-v", f"{tmp_path}/providers:/data/providers:ro", "-e", f"BENCH_PROVIDER_URL={address}"]
        with running(image, port, *options) as container:
            seconds = [asyncio.run(ask(container.url, count)) for _ in range(2)]
            status = httpx.get(f"{container.url}/api/v1/images/?limit=1").json()
            peak, state = container.peak_bytes(), container.state()
            memory = container.inside("cat", "/proc/1/status")
            container.stop()
            assert container.state()["ExitCode"] == 0
    resident = int(re.findall(r"VmHWM:\s+(\d+) kB", memory)[0]) / 1024
    record_property(
        "figure",
        f"{count} generations of 2 s (1024²) at once in 256 MiB: {seconds[0]:.1f} s, again {seconds[1]:.1f} s; "
        f"most resident {resident:.0f} MiB, with page cache {peak / MEBIBYTE:.0f} MiB",
    )
    assert status["total"] == 2 * count
    assert not state["OOMKilled"]


async def ask(url: str, count: int) -> float:
    """Ask for pictures side by side; seconds until the last."""
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=httpx.Limits(max_connections=count)) as client:
        began = loop.time()
        body = {"prompt": "a lighthouse", "model": "slow/slow"}
        answers = await asyncio.gather(*(client.post("/api/images/generate", json=body) for _ in range(count)))
        assert {answer.status_code for answer in answers} == {200}, answers[0].text[:300]
        return loop.time() - began


def test_sigterm_ends_it_in_order_and_its_log_is_json(image: str) -> None:
    with running(image, free_port(), *LITE) as container:
        container.stop()
        state = container.state()
        logs = subprocess.run(["podman", "logs", container.name], capture_output=True, text=True).stderr
    assert (state["ExitCode"], state["Running"]) == (0, False)
    messages = [json.loads(line)["message"] for line in logs.splitlines() if line.startswith("{")]
    assert messages[0].startswith("Serving /data at") and messages[-1].startswith("Stopping")


def test_with_the_build_argument_the_web_ui_is_inside(image: str) -> None:
    with running(build("with-ui", "--build-arg", "WEB_UI=auto"), free_port(), *LITE) as container:
        page = urllib.request.urlopen(container.url + "/", timeout=20).read().decode()
        script = re.findall(r'src="\./(assets/[^"]+\.js)"', page)
        assert script, page[:500]
        assert len(urllib.request.urlopen(f"{container.url}/{script[0]}", timeout=20).read()) > 10_000
