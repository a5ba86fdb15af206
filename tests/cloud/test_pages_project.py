"""The Pages project's files, as Cloudflare's own tool and its published limits see them."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from invokeai.app.services.config.config import PROVIDER_KEYS
from tests.cloud.d1_gateway import FRONTEND, install_node_packages
from tests.cloud.pages_site import build_frontend
from tests.cloud.wrangler_dev import OFFLINE

MOST_FILES, MOST_FILE_BYTES = 20_000, 25 * 2**20
MOST_RULES, MOST_RULE_LENGTH = 100, 100
MOST_HEADER_RULES, MOST_HEADER_LINE = 100, 2000
SHAPE_OF_A_KEY = re.compile(
    rb"\bsk-[\w-]{20}|\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY"
    rb"|\br8_\w{30}|\bAIza[\w-]{35}|\beyJ[\w-]{20,}\.eyJ"
)
STATIC = FRONTEND / "pages" / "static"


@pytest.fixture(scope="module")
def dist() -> Path:
    install_node_packages()
    return build_frontend()


@pytest.fixture
def project() -> dict[str, Any]:
    return tomllib.loads((FRONTEND / "wrangler.toml").read_text())


def reached(rules: list[str], path: str) -> bool:
    return any(re.fullmatch(re.escape(rule).replace(r"\*", ".*"), path) for rule in rules)


def headers_of(path: str) -> Iterator[tuple[str, str]]:
    """The headers that `_headers` gives a file, as Cloudflare reads it: later rules may take earlier ones away."""
    given: dict[str, str] = {}
    applies = False
    for line in (STATIC / "_headers").read_text().splitlines():
        if line.startswith("/"):
            applies = reached([line.strip()], path)
        elif applies and line.strip() and not line.startswith("#"):
            if line.strip().startswith("!"):
                given.pop(line.strip()[1:].strip().lower(), None)
            else:
                name, _, value = line.strip().partition(": ")
                assert name.lower() not in given, f"{name} would be joined to what an earlier rule gives"
                given[name.lower()] = value
    yield from given.items()


def test_the_configuration_fits_the_schema_and_names_the_worker(project: dict[str, Any]) -> None:
    schema = json.loads((FRONTEND / "node_modules/wrangler/config-schema.json").read_text())
    jsonschema.validate(project, schema)
    worker = tomllib.loads((FRONTEND.parent / "wrangler.toml").read_text())
    assert project["services"] == [{"binding": "BACKEND", "service": worker["name"]}]
    assert project["pages_build_output_dir"] == "dist"
    assert project["name"] != worker["name"]
    assert "vars" not in project


def test_wrangler_compiles_the_functions_and_has_nothing_to_complain_of(dist: Path, tmp_path: Path) -> None:
    wrangler = str(FRONTEND / "node_modules/.bin/wrangler")
    environment = {**OFFLINE, "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    for command in (
        ["pages", "functions", "build", "--outdir", str(tmp_path / "out")],
        ["types", str(tmp_path / "t.d.ts")],
    ):
        done = subprocess.run([wrangler, *command], cwd=FRONTEND, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "WARNING" not in done.stdout + done.stderr
    assert "BACKEND: Fetcher" in (tmp_path / "t.d.ts").read_text()


def test_code_runs_for_calls_and_pages_alone(dist: Path) -> None:
    routes = json.loads((dist / "_routes.json").read_text())
    rules = routes["include"] + routes["exclude"]
    assert routes["version"] == 1 and 0 < len(rules) <= MOST_RULES
    assert all(rule.startswith("/") and len(rule) <= MOST_RULE_LENGTH for rule in rules)
    for path in ("/", "/app", "/access", "/access/session", "/api/v1/app/version", "/v1/models", "/ws/socket.io/"):
        assert reached(routes["include"], path), path
    files = [path.relative_to(dist).as_posix() for path in dist.rglob("*") if path.is_file()]
    assert [path for path in files if reached(routes["include"], f"/{path}")] == []
    script = (FRONTEND / "pages" / "page.js").read_text()
    for page in json.loads(re.findall(r"PAGES = (\[.*?\]);", script)[0].replace("INDEX", '"/"')):
        assert reached(routes["include"], page), page


def test_the_headers_keep_to_the_limits_and_to_each_other(dist: Path) -> None:
    lines = (dist / "_headers").read_text().splitlines()
    assert max(map(len, lines)) <= MOST_HEADER_LINE
    assert sum(line.startswith("/") for line in lines) <= MOST_HEADER_RULES
    for path in dist.rglob("*"):
        if path.is_file():
            name = path.relative_to(dist).as_posix()
            headers = dict(headers_of(f"/{name}"))
            hashed = name.startswith("assets/") and not name.startswith("assets/images/")
            assert headers["cache-control"] == ("public, max-age=31536000, immutable" if hashed else "no-cache"), name
            assert re.search(r"-[\w-]{8}\.\w+$", name) or not hashed, f"{name} has no hash in its name"


def test_the_policy_lets_no_foreign_code_in() -> None:
    policy = dict(headers_of("/"))["content-security-policy"]
    rules = {name: sources for name, *sources in (rule.split() for rule in policy.split(";"))}
    assert rules["script-src"] == ["'self'"]
    assert rules["object-src"] == rules["frame-ancestors"] == ["'none'"]
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == ["'self'"]
    everything = {source for sources in rules.values() for source in sources}
    assert everything <= {"'self'", "'none'", "'unsafe-inline'", "data:", "blob:"}
    assert [name for name, sources in rules.items() if "'unsafe-inline'" in sources] == ["style-src"]


def test_what_is_deployed_is_small_enough_and_holds_no_secret(dist: Path) -> None:
    files = [path for path in dist.rglob("*") if path.is_file()]
    assert len(files) <= MOST_FILES and max(path.stat().st_size for path in files) <= MOST_FILE_BYTES
    ours = [*STATIC.iterdir(), *(FRONTEND / "pages").glob("*.js"), *(FRONTEND / "functions").rglob("*.js")]
    names = [name.encode() for name in ("ACCESS_TOKEN", "INVOKEAI_R2_", *PROVIDER_KEYS.values())]
    for path in [*ours, *files]:
        content = path.read_bytes()
        assert [name for name in names if name in content] == [], path
        assert not SHAPE_OF_A_KEY.search(content), path
