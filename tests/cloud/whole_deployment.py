"""The deployment from end to end as wrangler runs it: `wrangler pages dev`, `wrangler dev`, and the real server behind.

Pages finds the Worker by the service binding, as on Cloudflare. The server is a process in place of the container, with
its records in D1 through the gateway and its files in a bucket.
"""

from pathlib import Path

import httpx

from invokeai.app.services.shared.database.d1_client import D1Settings
from invokeai.app.services.shared.objects.s3_objects import S3Settings
from tests.cloud.cloud_worker import ACCESS_TOKEN, BEARER
from tests.cloud.pages_site import PagesSite, build_frontend
from tests.cloud.server_settings import cloud_settings
from tests.cloud.wrangler_dev import WranglerDev
from tests.free_ports import free_port
from tests.studio_process import StudioProcess

PATIENCE_SECONDS = 30
ENDING_SECONDS = 3
"""From the first wrong answer of a wrangler that is about to end until it has."""


class WholeDeployment:
    """Everything that `invokeai-cloud deploy` deploys, on loopback and empty; `folder` takes state and logs."""

    def __init__(self, folder: Path, d1: D1Settings, s3: S3Settings) -> None:
        build_frontend()
        registry, worker, pages = (folder / name for name in ("registry", "worker", "pages"))
        worker.mkdir()
        pages.mkdir()
        self.studio = StudioProcess(folder / "root", port=free_port(), settings=cloud_settings(d1, s3))
        self.studio.start()
        words = ["dev", "--config", "../wrangler.toml", "--enable-containers=false"]
        words += ["--var", f"ACCESS_TOKEN:{ACCESS_TOKEN}", "--var", f"BACKEND_ORIGIN:{self.studio.base_url}"]
        self._worker = WranglerDev(words, worker, "/healthz", registry)
        self._site = PagesSite(pages, registry=registry)

    @property
    def address(self) -> str:
        """Where visitors come, without a slash at the end."""
        return self._site.base_url

    def bring_back(self) -> str:
        """Start all anew that has ended when wrangler has ended by itself; its logs, empty when wrangler runs."""
        ended = [server for server in (self._worker, self._site) if server.has_ended(within_seconds=ENDING_SECONDS)]
        said = "".join(f"{server.log}:\n{server.log.read_text()[-6000:]}\n" for server in ended)
        if ended and not self.studio.is_running():
            self.studio.start()
        for server in ended:
            server.start()
        return said

    def generate(self, prompt: str) -> str:
        """Enqueue one picture as a program would; its batch."""
        with httpx.Client(base_url=f"{self.address}/api", headers=BEARER, timeout=PATIENCE_SECONDS) as http:
            model = http.get("/v2/models/i/sketch-flow").json()
            size = {"width": 64, "height": 64}
            node = {"id": "n", "type": "third_party_image_generation", "model": model, "prompt": prompt, **size}
            batch = {"graph": {"id": "g", "nodes": {"n": node}, "edges": []}, "runs": 1}
            answer = http.post("/v1/queue/default/enqueue_batch", json={"batch": batch}).raise_for_status()
            return str(answer.json()["batch"]["batch_id"])

    def stop(self) -> None:
        """End all of it, from the front to the back."""
        self._site.stop()
        self._worker.stop()
        self.studio.stop()
