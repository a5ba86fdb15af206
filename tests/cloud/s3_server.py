"""SeaweedFS, a real S3 server, as a process for tests; its client refuses what Cloudflare R2 does not implement."""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

from invokeai.app.services.shared.objects.s3_objects import S3Objects, S3Settings
from tests.bound_processes import start_bound
from tests.free_ports import free_port

ACCESS_KEY, SECRET_KEY = "test-access-key", "test-secret-key-canary"
NOT_IN_R2_OPERATIONS = {"PutObjectTagging", "PutObjectAcl", "PutBucketVersioning", "PutBucketPolicy"}
NOT_IN_R2_HEADERS = {
    "x-amz-tagging",
    "x-amz-acl",
    "x-amz-server-side-encryption",
    "x-amz-trailer",
    "x-amz-expected-bucket-owner",
}


class S3Server:
    """A server of its own on loopback, with an empty store that is thrown away."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="s3-"))
        config = self._folder / "s3.json"
        credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        identity = {"name": "app", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}
        config.write_text(json.dumps({"identities": [identity]}))
        ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
        self.endpoint = f"http://127.0.0.1:{ports['s3']}"
        weed = Path(sys.executable).with_name("weed")
        command = [str(weed), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self._folder}"]
        command += ["-volume.max=700", "-master.volumeSizeLimitMB=64", "-master.telemetry=false", "-filer", "-s3"]
        command += [f"-{name}.port={port}" for name, port in ports.items()]
        command += [f"-s3.config={config}", "-s3.iam=false", "-s3.allowDeleteBucketNotEmpty=false"]
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
        with (self._folder / "log").open("wb") as log:
            self._process = start_bound(command, stdout=log, stderr=log)
        self._wait()

    def new_bucket(self) -> S3Settings:
        """Settings of an empty bucket."""
        settings = S3Settings(f"bucket-{uuid4().hex[:12]}", "account", ACCESS_KEY, SECRET_KEY, self.endpoint)
        S3Objects(settings)._client().create_bucket(Bucket=settings.bucket)
        return settings

    def stop(self) -> None:
        """End it at once; a graceful end takes it 17 seconds."""
        self._process.kill()
        self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self) -> None:
        for _ in range(300):
            try:
                with urlopen(f"{self.endpoint}/healthz", timeout=2):
                    break
            except OSError:
                time.sleep(0.1)
        for _ in range(100):  # the first bucket waits for the volume server
            try:
                settings = self.new_bucket()
                S3Objects(settings)._client().put_object(Bucket=settings.bucket, Key="probe", Body=b"1")
                return
            except Exception:  # any refusal: it is not up yet
                time.sleep(0.2)
        raise AssertionError((self._folder / "log").read_text()[-2000:])


def refuse_what_r2_lacks(objects: S3Objects) -> S3Objects:
    """Make the client fail on operations and headers that R2 does not implement."""

    def guard(model: Any, params: dict[str, Any], **_: Any) -> None:
        faults = NOT_IN_R2_HEADERS & {header.lower() for header in params["headers"]}
        assert model.name not in NOT_IN_R2_OPERATIONS, f"R2 does not implement {model.name}"
        assert not faults, f"R2 does not implement {faults}"
        assert int(params["query_string"].get("max-keys") or 0) <= 1000, "R2 lists at most 1,000 keys"

    objects._client().meta.events.register("before-call.s3", guard)
    return objects
