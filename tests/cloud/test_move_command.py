"""`invokeai-cloud migrate` as a user runs it: from a folder to D1 and a bucket, killed on the way, and back."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from invokeai.app.cloud_cli.libraries import open_library
from invokeai.app.services.config.config import load_config_of
from invokeai.app.services.library_moves.tables import MOVE_FACT
from invokeai.app.services.shared.database.d1_client import D1Settings
from invokeai.app.services.shared.objects.s3_objects import S3Settings
from tests.app.services.library_moves.seeded import everything, fill, on_disk
from tests.cloud.d1_gateway import D1Gateway
from tests.cloud.s3_server import S3Server
from tests.cloud.server_settings import cloud_settings
from tests.cloud.test_migrate_command import run_command
from tests.studio_process import HIDDEN_FROM_THE_SERVER, StudioProcess

PICTURES = 120
SECRETS = ("d1_api_token", "r2_secret_access_key")


@pytest.fixture
def cloud_file(tmp_path: Path, d1_gateway: D1Gateway, s3_server: S3Server) -> Path:
    """Settings of a studio on an empty database and an empty bucket, without the secrets."""
    return settings_file(tmp_path / "cloud.yaml", d1_gateway.new_database(), s3_server.new_bucket())


def settings_file(path: Path, d1: D1Settings, s3: S3Settings, *, secrets: bool = False) -> Path:
    settings = {name.removeprefix("INVOKEAI_").lower(): value for name, value in cloud_settings(d1, s3).items()}
    path.write_text(yaml.safe_dump({name: value for name, value in settings.items() if secrets or name not in SECRETS}))
    return path


@pytest.fixture
def secrets(cloud_file: Path, d1_gateway: D1Gateway, s3_server: S3Server) -> dict[str, str]:
    """The secrets, and a setting of another studio that must not matter."""
    d1, s3 = D1Settings("", "", "", "gateway-test-token"), s3_server.new_bucket()
    return {
        "INVOKEAI_D1_API_TOKEN": str(d1.token),
        "INVOKEAI_R2_SECRET_ACCESS_KEY": s3.secret_access_key,
        "INVOKEAI_DATABASE_PATH": "elsewhere.db",
        "INVOKEAI_IMAGE_STORAGE": "r2",
    }


def killed_at(arguments: list[str], settings: dict[str, str], said_so: str) -> None:
    """Run the command and kill -9 it when it says what matches."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN_FROM_THE_SERVER)}
    command = [sys.executable, "-m", "invokeai.app.cloud_cli", *arguments]
    process = subprocess.Popen(command, env={**kept, **settings}, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if re.search(said_so, line):
            process.kill()
            break
    assert process.wait(60) == -9, f"it was not on its way when it should be killed:\n{said}"
    process.stderr.close()


async def test_to_the_cloud_and_back_with_three_kills(
    tmp_path: Path, cloud_file: Path, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    source = on_disk(home)
    await fill(source, PICTURES)
    expected = await everything(source)
    await source.close()
    to_cloud = ["migrate", "--from", str(home), "--to", str(cloud_file)]
    killed_at(to_cloud, secrets, r"files copied: .*\(30%\)")
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    target = await open_library(load_config_of(cloud_file))
    facts = await target.database.fetch("SELECT value FROM library_facts WHERE name = ?", MOVE_FACT)
    assert '"copying"' in str(facts[0]["value"])
    assert 0 < len((await everything(target))[1]) < len(expected[1])
    killed_at(to_cloud, secrets, "rows copied: ")
    done = run_command(to_cloud, secrets)
    assert (done.returncode, done.stdout.count("Checked")) == (0, 1), done.stderr
    assert re.search(r"rows checked: (\d+) of \1 \(100%\)", done.stderr), done.stderr
    assert await everything(target) == expected
    await target.close()

    back = tmp_path / "back"
    back.mkdir()
    to_disk = ["migrate", "--from", str(cloud_file), "--to", str(back)]
    killed_at(to_disk, secrets, r"files copied: .*\(50%\)")
    done = run_command(to_disk, secrets)
    assert done.returncode == 0, done.stderr
    returned = on_disk(back)
    assert await everything(returned) == expected
    await returned.close()
    studio = StudioProcess(back).start()
    try:
        assert "Nothing to apply" in run_command(["database", "migrate", "--root", str(back)], {}).stdout
    finally:
        studio.stop()


async def test_refusals_are_sentences(tmp_path: Path, cloud_file: Path, secrets: dict[str, str]) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for root in (here, there):
        library = on_disk(root)
        await fill(library, 1)
        await library.close()
    (tmp_path / "empty").mkdir()
    cases = [
        (here, there, "is not empty"),
        (here, here, "Source and target are the same library."),
        (tmp_path / "missing", here, "There is no folder or file"),
        (tmp_path / "empty", here, "There is no library here"),
    ]
    for source, target, sentence in cases:
        done = run_command(["migrate", "--from", str(source), "--to", str(target)], {})
        assert done.returncode == 2
        assert sentence in done.stderr and "Traceback" not in done.stderr
    to_cloud = ["migrate", "--from", str(here), "--to", str(cloud_file)]
    wrong = run_command(to_cloud, {**secrets, "INVOKEAI_R2_SECRET_ACCESS_KEY": "wrong"})
    assert wrong.returncode == 2
    assert "r2_secret_access_key" in wrong.stderr
