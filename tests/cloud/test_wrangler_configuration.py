"""wrangler.toml as wrangler itself, its schema and its type generator see it. No account and no network is needed."""

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from invokeai.app.cloud_cli.deployment import Deployment
from invokeai.app.cloud_cli.wrangler import Tools
from invokeai.app.services.config.config import AppConfig
from tests.cloud.d1_gateway import FRONTEND, install_node_packages

REPOSITORY = FRONTEND.parent
TYPES = "frontend/worker/worker-configuration.d.ts"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What a deployment needs, with a wrangler.toml that a test may change."""
    install_node_packages()
    for name in ("frontend", "invokeai", "Dockerfile"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    shutil.copy(REPOSITORY / "wrangler.toml", tmp_path)
    return tmp_path


def wrangler(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run wrangler in `project`. Docker's part of a dry run is left out: the image has tests of its own."""
    docker = project / "docker"
    docker.write_text("#!/bin/sh\nexec cat > /dev/null\n")
    docker.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUDFLARE_", "WRANGLER_"))}
    kept |= {"WRANGLER_DOCKER_BIN": str(docker), "WRANGLER_SEND_METRICS": "false", "XDG_CONFIG_HOME": str(project)}
    command = ["frontend/node_modules/.bin/wrangler", *arguments]
    quiet = subprocess.DEVNULL
    return subprocess.run(command, cwd=project, env=kept, stdin=quiet, capture_output=True, text=True, timeout=60)


def schema_faults(configuration: dict[str, Any]) -> list[str]:
    schema = json.loads((FRONTEND / "node_modules" / "wrangler" / "config-schema.json").read_text())
    return [fault.message for fault in jsonschema.Draft7Validator(schema).iter_errors(configuration)]


def configuration() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "wrangler.toml").read_text())


def test_wrangler_would_deploy_it_without_a_warning(project: Path) -> None:
    """The copy that `invokeai-cloud deploy` writes, with the ids of an account."""
    deployment = Deployment(Tools(project), print)
    deployment.account_id, deployment.database_id = "a" * 32, "11111111-2222-3333-4444-555555555555"
    deployment.write_config()
    written = tomllib.loads(deployment.config.read_text())
    assert schema_faults(written) == [] and written["d1_databases"][0]["database_id"] == deployment.database_id
    # wrangler 4.86 has no --containers-rollout=none, so it asks for the docker that `wrangler` gives it
    done = wrangler(project, "deploy", "--dry-run", "--config", deployment.config.name)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "WARNING" not in output
    for binding in ("env.STUDIO (Studio)", "env.DB", "env.PICTURES", "env.ACCESS_LIMIT", "env.API_LIMIT"):
        assert binding in output
    assert "invokeai-cloud-studio" in output


def test_the_types_of_the_bindings_are_up_to_date(project: Path) -> None:
    done = wrangler(project, "types", TYPES, "--check", "--include-runtime=false", "--strict-vars=false")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda c: c["containers"][0].update(instance_typ="lite"), "instance_typ"),
        (lambda c: c["containers"][0].update(instance_type="light"), "light"),
        (lambda c: c["ratelimits"][0]["simple"].update(period=30), "30"),
        (lambda c: c.update(compatability_date="2026-04-01"), "compatability_date"),
    ],
)
def test_the_schema_knows_every_key_and_would_tell_a_wrong_one(
    change: Callable[[dict[str, Any]], None], why: str
) -> None:
    install_node_packages()
    assert schema_faults(configuration()) == []
    broken = configuration()
    change(broken)
    assert any(why in fault for fault in schema_faults(broken))


def test_the_way_in_and_the_cost_stay_bounded() -> None:
    settings = configuration()
    assert settings["workers_dev"] is False and settings["preview_urls"] is False
    container = settings["containers"][0]
    assert container["instance_type"] == "basic"
    assert container["max_instances"] == 2, "one studio, and room for its successor in a rollout"
    assert "INSTANCES" not in settings["vars"], "a second container would part the user from its events"
    assert container["rollout_step_percentage"] == 100, "one server at a time owns the studio's events"
    longest_wait = container["rollout_active_grace_period"]
    assert AppConfig.model_fields["drain_seconds"].default < longest_wait <= 900
    assert settings["migrations"] == [{"tag": "v1", "new_sqlite_classes": ["Studio"]}]
    assert (REPOSITORY / settings["d1_databases"][0]["migrations_dir"]).is_dir()
    assert not any("TOKEN" in name or "KEY" in name for name in settings["vars"])
