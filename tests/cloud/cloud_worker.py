"""The Worker of the deployment on the real engine (workerd), as a process for tests."""

import base64
import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from random import randrange
from typing import Any

from invokeai.app.services.shared.database.d1_client import D1Settings
from invokeai.app.services.shared.objects.s3_objects import S3Objects, S3Settings
from tests.bound_processes import start_bound
from tests.cloud.d1_gateway import FRONTEND, install_node_packages
from tests.cloud.process_engine import IMAGE, SIDECAR_IMAGE, ProcessEngine
from tests.cloud.server_settings import cloud_settings
from tests.free_ports import free_port
from tests.studio_process import StudioProcess

ACCESS_TOKEN = "access-token-of-the-tests"
API_TOKEN = "token-of-a-program"
"""Opens the image router of a `CloudDeployment`, nothing else."""
BEARER = {"authorization": f"Bearer {ACCESS_TOKEN}"}


class CloudWorker:
    """The Worker in front of the server at `backend_origin`, with an empty database and an empty bucket of its own.

    Args:
        backend_origin: address of the server that stands in for the container; None when an engine runs it.
        bindings: more variables and secrets of the Worker; None as value takes one away.
        port: where it listens; None takes a free port.
        engine: what runs the container.
        api_limit: most calls to the server a minute and address; None for the limit of the deployment.
        entry: a module to run in place of the Worker's own.
    """

    def __init__(
        self,
        backend_origin: str | None,
        bindings: Mapping[str, str | None] | None = None,
        port: int | None = None,
        engine: ProcessEngine | None = None,
        api_limit: int | None = None,
        entry: Path | None = None,
    ) -> None:
        install_node_packages()
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        egress_port = free_port()
        self.d1 = D1Settings(f"http://127.0.0.1:{egress_port}", "internal", "studio", None)
        """The Worker's database as the container reaches it: through the outbound handler."""
        values = {"ACCESS_TOKEN": ACCESS_TOKEN, "BACKEND_ORIGIN": backend_origin, **(bindings or {})}
        given = {name: value for name, value in values.items() if value is not None}
        options: dict[str, Any] = {"port": self.port, "egressPort": egress_port, "bindings": given}
        options |= {"apiLimit": api_limit, "entry": str(entry) if entry else None}
        if engine is not None:
            options["engine"] = {"socket": str(engine.socket), "image": IMAGE, "sidecarImage": SIDECAR_IMAGE}
        command = [str(shutil.which("node")), "worker/serve_worker.mjs", json.dumps(options)]
        self._log = tempfile.NamedTemporaryFile(prefix="worker-", suffix=".log")  # noqa: SIM115
        pipe = subprocess.PIPE
        self._process = start_bound(command, cwd=FRONTEND, stdin=pipe, stdout=pipe, stderr=self._log, text=True)
        self._expect("ready")

    def put(self, key: str, data: bytes, content_type: str = "image/png") -> None:
        """Put an object into the Worker's bucket."""
        self.put_all({key: data}, content_type)

    def put_all(self, objects: dict[str, bytes], content_type: str = "image/png") -> None:
        """Put objects into the Worker's bucket."""
        some = [{"key": key, "base64": base64.b64encode(objects[key]).decode()} for key in objects]
        self._command({"put": [{**one, "type": content_type} for one in some]})

    def change(self, **bindings: str) -> None:
        """Deploy it anew with these variables and secrets; the container runs on."""
        self._command({"bindings": bindings})

    def delete(self, key: str) -> None:
        """Delete an object from the Worker's bucket."""
        self._command({"delete": key})

    def dispatch(self, address: str, method: str = "GET", **parts: Any) -> dict[str, Any]:
        """Status, headers and body of the answer to a request at any address, as a service binding passes it on."""
        self._say({"fetch": address, "method": method, **parts})
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    async def copy_bucket(self, source: S3Settings) -> int:
        """Put every object of the server's bucket into the Worker's, which in production are one; how many."""
        objects = S3Objects(source)
        keys = [entry.key async for entry in objects.entries("")]
        for key in keys:
            self.put(key, (await objects.get(key)).data, "image/webp" if key.endswith(".webp") else "image/png")
        await objects.close()
        return len(keys)

    def sign_in(self, token: str = ACCESS_TOKEN) -> dict[str, str]:
        """Sign in as a script would; the Cookie and Origin headers of a browser that did."""
        body = json.dumps({"token": token}).encode()
        # another address each time: attempts are limited by address
        headers = {"content-type": "application/json", "cf-connecting-ip": f"2001:db8::{randrange(2**16):x}"}
        request = urllib.request.Request(f"{self.base_url}/access", body, headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            cookie = str(answer.headers["set-cookie"]).partition(";")[0]
        return {"cookie": cookie, "origin": self.base_url}

    def sign(self, user: str, ends_at: int) -> str:
        """A session as the Worker itself would sign it, that ends when we say (seconds since 1970)."""
        script = (
            "import {signSession} from './worker/session.js'; console.log(await signSession(...process.argv.slice(1)))"
        )
        command = [str(shutil.which("node")), "--input-type=module", "-e", script, ACCESS_TOKEN, user, str(ends_at)]
        return subprocess.run(command, cwd=FRONTEND, check=True, capture_output=True, text=True).stdout.strip()

    def stop(self) -> None:
        """End the process and its engine."""
        self._process.terminate()
        self._process.wait(timeout=60)

    def _command(self, command: dict[str, Any]) -> None:
        self._say(command)
        self._expect("done")

    def _say(self, command: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def _expect(self, line: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == line, f"the Worker did not answer:\n{self.log_text()[-3000:]}"

    def log_text(self) -> str:
        """What the Worker and its engine logged."""
        return Path(self._log.name).read_text(errors="replace")


class CloudDeployment:
    """The whole deployment without its virtual machine: Worker, real server, D1 behind the Worker, a bucket."""

    def __init__(self, folder: Path, s3: S3Settings) -> None:
        self.s3 = s3
        port = free_port()
        self.worker = CloudWorker(f"http://127.0.0.1:{port}", {"INVOKEAI_API_TOKENS": API_TOKEN})
        settings = cloud_settings(self.worker.d1, s3) | {"INVOKEAI_API_TOKENS": API_TOKEN}
        self.studio = StudioProcess(folder / "root", port=port, settings=settings)
        self.studio.start()

    @property
    def url(self) -> str:
        """Where the deployment is reached, without a slash at the end."""
        return self.worker.base_url

    def stop(self) -> None:
        """End the server, then the Worker whose database it uses."""
        self.studio.stop()
        self.worker.stop()
