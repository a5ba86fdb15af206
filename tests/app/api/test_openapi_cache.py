"""A document that was built before is served instead of building one, and never for other code or other nodes."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from invokeai.app import prebuild_openapi
from invokeai.app.api import openapi, openapi_cache
from invokeai.app.api.openapi import document_of
from invokeai.app.api.openapi_cache import OpenApiCache
from invokeai.app.api_app import create_app
from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.custom_nodes.node_packs import CustomNodesService
from invokeai.invocation_api import InvocationRegistry
from tests.studio_process import StudioProcess

PACK = '''
from invokeai.invocation_api import BaseInvocation, InputField, IntegerOutput, InvocationContext, invocation


@invocation("prebuilt_probe", version="1.0.0")
class PrebuiltProbeInvocation(BaseInvocation):
    """A pack's node."""

    value: int = InputField(default=0, description="A number.")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        return IntegerOutput(value=self.value)
'''


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[FastAPI]:
    """Every building of a document from now on; the documents are small ones."""
    found: list[FastAPI] = []

    def counted(app: FastAPI) -> dict[str, object]:
        found.append(app)
        return {"openapi": "3.1.0", "built": len(found)}

    monkeypatch.setattr(openapi, "build_document", counted)
    monkeypatch.setattr(openapi_cache, "STARTED", math.inf)
    return found


@pytest.fixture
def pack(tmp_path: Path) -> Iterator[Path]:
    """A node pack that is loaded here."""
    folder = tmp_path / "nodes"
    folder.mkdir()
    (folder / "prebuilt_pack.py").write_text(PACK)
    assert CustomNodesService(folder).load() == []
    yield folder / "prebuilt_pack.py"
    InvocationRegistry.forget_pack("prebuilt_pack")
    sys.modules.pop("prebuilt_pack", None)


async def served(app: FastAPI) -> dict[str, object]:
    """What an application that has just been made answers."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        answer: dict[str, object] = (await client.get("/openapi.json")).json()
        return answer


async def test_a_prebuilt_document_is_served_by_every_root_that_has_the_same_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: list[FastAPI]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    prebuild_openapi.main()
    assert len(built) == 1
    for root in (tmp_path / "one", tmp_path / "two"):
        assert (await served(create_app(AppConfig(root=root))))["built"] == 1
        assert not (root / "cache").exists()
    assert len(built) == 1


async def test_with_a_node_pack_one_document_is_built_and_kept_in_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: list[FastAPI], request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    prebuild_openapi.main()
    pack = request.getfixturevalue("pack")
    root = tmp_path / "root"
    assert [(await served(create_app(AppConfig(root=root))))["built"] for _ in range(2)] == [2, 2]

    pack.write_text(PACK.replace("A number.", "A value."))
    assert [(await served(create_app(AppConfig(root=root))))["built"] for _ in range(2)] == [3, 3]

    (kept,) = (root / "cache").iterdir()
    kept.write_bytes(b"damaged")
    assert [(await served(create_app(AppConfig(root=root))))["built"] for _ in range(2)] == [4, 4]
    assert len(list((root / "cache").iterdir())) == 1

    InvocationRegistry.forget_pack("prebuilt_pack")
    assert (await served(create_app(AppConfig(root=root))))["built"] == 1
    assert len(built) == 4


async def test_another_route_is_another_document(tmp_path: Path, built: list[FastAPI]) -> None:
    cache = OpenApiCache(tmp_path)
    document_of(FastAPI(), cache)
    app = FastAPI()
    app.get("/more")(lambda: None)
    assert document_of(app, cache) == document_of(app, cache)
    assert built[1:] == [app]


def test_nothing_is_kept_while_the_code_may_be_younger_than_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: list[FastAPI], pack: Path
) -> None:
    """Otherwise the next start would find the old code's document under the name of the new code."""
    monkeypatch.setattr(openapi_cache, "STARTED", pack.stat().st_ctime - 0.001)
    app, cache = FastAPI(), OpenApiCache(tmp_path / "cache")
    assert document_of(app, cache).plain != document_of(app, cache).plain
    assert len(built) == 2 and not (tmp_path / "cache").exists()


def test_a_server_builds_nothing_with_what_another_process_has_prebuilt(tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path / "user")}
    command = [sys.executable, "-m", "invokeai.app.prebuild_openapi"]
    subprocess.run(command, env={**os.environ, **environment}, check=True, timeout=60)
    studio = StudioProcess(tmp_path / "root", settings=environment)
    (tmp_path / "root" / "nodes").mkdir(parents=True)
    paths = []
    for with_pack in (False, True):
        if with_pack:
            (tmp_path / "root" / "nodes" / "prebuilt_pack.py").write_text(PACK)
        studio.start()
        document = httpx.get(f"{studio.base_url}/openapi.json", timeout=60).json()
        studio.stop()
        assert ("PrebuiltProbeInvocation" in document["components"]["schemas"]) == with_pack
        paths.append(document["paths"])
        # what a server builds it keeps in its root
        assert len(list((tmp_path / "root").glob("cache/openapi-*"))) == int(with_pack)
    assert paths[0] == paths[1] and len(paths[0]) > 100
