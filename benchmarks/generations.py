"""Sixty-four pictures from a provider that takes two seconds each: does a server wait for many at once?"""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import slow_provider
from benchmarks.api import Client, run_batch
from benchmarks.bench import Bench
from benchmarks.report import Figure
from benchmarks.servers import BenchmarkFailed, Running

COUNT = 64
NOTES = (
    f"generations: one batch of {COUNT} graphs with one generation node; the pictures (1024² PNG) come from a local "
    f"service that answers after {slow_provider.SECONDS:.0f} s however many ask. The peer reaches it with its OpenAI "
    "provider and base_url, ours with a plug-in in the root's `providers` folder; the figure ends when every item is "
    "completed and every picture, row and thumbnail stored.",
)


def measure(bench: Bench) -> list[Figure]:
    """Seconds for all of them."""
    figure = Figure(f"{bench.count(COUNT)} generations of 2 s", "s", budget=5)
    for contestant in bench.contestants:
        if contestant.is_ours:
            install_plugin(bench.root(contestant, "generations"))
    with (
        slow_provider.running() as address,
        bench.all_started("generations", {"BENCH_PROVIDER_URL": address}) as servers,
    ):
        nodes = {server.name: _generation_node(server, address) for server in servers}

        def once(server: Running) -> Mapping[Figure, float]:
            count = bench.count(COUNT)
            wanted = server.thumbnails() + count
            began = time.perf_counter()
            run_batch(server, _batch(nodes[server.name], count), limit_s=400, poll_s=0.05)
            server.wait_for_thumbnails(wanted)
            return {figure: time.perf_counter() - began}

        for server in servers:
            run_batch(server, _batch(nodes[server.name], 1), limit_s=60, poll_s=0.05)
        bench.take_turns(servers, once)
    return [figure]


def _batch(node: Mapping[str, Any], count: int) -> dict[str, Any]:
    prompts = {"node_path": "picture", "field_name": "prompt", "items": [f"a lighthouse {n}" for n in range(count)]}
    return {"graph": {"id": "picture", "nodes": {"picture": node}, "edges": []}, "data": [[prompts]], "runs": 1}


def install_plugin(root: Path) -> None:
    """Put the slow provider's plug-in where our server finds it."""
    folder = root / "providers"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).with_name("slow_plugin.py"), folder / "slow.py")


def _generation_node(server: Running, address: str) -> dict[str, Any]:
    """The node that draws on the slow service, after setting the peer up for it."""
    if server.contestant.is_ours:
        return _node("third_party_image_generation", "slow", "slow", "Slow")
    client = Client(server)
    client.post("/api/v1/app/external_providers/config/openai", {"api_key": "local", "base_url": address})
    client.post("/api/v2/models/install?source=external%3A%2F%2Fopenai%2Fgpt-image-1&inplace=true", {})
    for _ in range(100):
        models = client.get("/api/v2/models/")["models"]
        if any(model["key"] == "openai-gpt-image-1" for model in models):
            return _node("openai_image_generation", "openai", "gpt-image-1", "openai gpt-image-1")
        time.sleep(0.1)
    raise BenchmarkFailed("the peer did not install its external model")


def _node(kind: str, provider: str, model: str, name: str) -> dict[str, Any]:
    identifier = {
        "key": f"{provider}-{model}",
        "hash": f"external:{provider}:{model}",
        "name": name,
        "base": "external",
        "type": "external_image_generator",
    }
    size = {"width": 1024, "height": 1024, "num_images": 1}
    return {
        "id": "picture",
        "type": kind,
        "mode": "txt2img",
        "prompt": "",
        "model": identifier,
        "use_cache": False,
        **size,
    }
