"""`invokeai-cloud import` as a user runs it: killed on the way; the studio then says what the real InvokeAI said."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from invokeai.app.cloud_cli.libraries import open_library
from invokeai.app.services.config.config import load_config_of
from tests.app.services.library_moves.seeded import everything, on_disk
from tests.app.services.library_moves.upstream import KEPT, add_pictures, names_of, state_of, upstream_root
from tests.cloud.d1_gateway import D1Gateway
from tests.cloud.s3_server import S3Server
from tests.cloud.server_settings import cloud_settings
from tests.cloud.test_migrate_command import run_command
from tests.cloud.test_move_command import killed_at, settings_file
from tests.studio_process import StudioProcess

OURS_ALONE = {
    "image_subfolder",
    "thumbnail_url",
    "cover_video_name",
    "video_count",
    "owner_username",
    "message",
}
"""Members that differ by design, or are texts."""


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    return upstream_root(tmp_path / "upstream")


def compared(value: Any) -> Any:
    """An answer without what differs by design; times of change to the second, a preset's picture as being there."""
    if isinstance(value, dict):
        members = {name: compared(member) for name, member in value.items() if name not in OURS_ALONE}
        if isinstance(members.get("image"), str):
            members["image"] = True
        if "updated_at" in members:  # of boards: without milliseconds there
            members["updated_at"] = members["updated_at"][:19]
        return members
    return [compared(member) for member in value] if isinstance(value, list) else value


def check_answers(studio: StudioProcess) -> None:
    """The studio answers as the real InvokeAI did of the same library; shipped entries left aside."""
    expected = json.loads((KEPT / "answers.json").read_text(encoding="utf-8"))
    for path, answer in expected.items():
        with urllib.request.urlopen(studio.base_url + path, timeout=60) as response:
            ours = json.load(response)
        if path.endswith("/style_presets/"):
            ours = [preset for preset in ours if preset["type"] == "user"]
        if path.endswith("/system_prompts/"):
            ours = [prompt for prompt in ours if prompt["id"] in {own["id"] for own in answer}]
        assert compared(ours) == compared(answer), path
    for name in names_of_kept(expected):
        with urllib.request.urlopen(f"{studio.base_url}/api/v1/images/i/{name}/thumbnail", timeout=60) as response:
            assert response.read()[8:12] == b"WEBP"


def names_of_kept(answers: dict[str, Any]) -> list[str]:
    return [answer["image_name"] for path, answer in answers.items() if path.endswith(".png")]


def test_the_studio_answers_as_the_real_one_did(upstream: Path, tmp_path: Path) -> None:
    root = tmp_path / "studio"
    done = run_command(["import", str(upstream), "--root", str(root)], {})
    assert (done.returncode, "pictures: 6 found, 6 new, 0 here before\n" in done.stdout) == (0, True), done.stderr
    studio = StudioProcess(root).start()
    try:
        check_answers(studio)
        again = run_command(["import", str(upstream), "--root", str(root)], {})  # while it runs
        assert (again.returncode, "pictures: 6 found, 0 new, 6 here before\n" in again.stdout) == (0, True)
        check_answers(studio)
    finally:
        studio.stop()


async def test_into_the_cloud_with_a_kill(
    upstream: Path, tmp_path: Path, d1_gateway: D1Gateway, s3_server: S3Server
) -> None:
    add_pictures(upstream, 300)
    before = state_of(upstream)
    d1, s3 = d1_gateway.new_database(), s3_server.new_bucket()
    (tmp_path / "temporary").mkdir()  # a killed command leaves its copy of the database there
    settings = {**cloud_settings(d1, s3), "TMPDIR": str(tmp_path / "temporary")}
    command = ["import", str(upstream), "--root", str(tmp_path / "studio")]
    killed_at(command, settings, r"pictures: .*\(50%\)")
    names = names_of(upstream)
    config = load_config_of(settings_file(tmp_path / "cloud.yaml", d1, s3, secrets=True))
    half = await open_library(config)
    rows = await half.database.fetch("SELECT count(*) AS total FROM images")
    assert 0 < int(rows[0]["total"] or 0) < len(names)
    await half.close()
    done = run_command(command, settings)
    assert (done.returncode, f"pictures: {len(names)} found" in done.stdout) == (0, True), done.stderr
    of_disk = on_disk(tmp_path / "whole")
    assert run_command(["import", str(upstream), "--root", str(tmp_path / "whole")], {}).returncode == 0
    library = await open_library(config)
    assert await everything(library) == await everything(of_disk)
    for opened in (library, of_disk):
        await opened.close()
    again = run_command(command, settings)
    assert f"pictures: {len(names)} found, 0 new, {len(names)} here before\n" in again.stdout
    assert state_of(upstream) == before


def test_what_a_user_can_mend_is_a_sentence(upstream: Path, tmp_path: Path) -> None:
    for arguments, sentence in (
        ([str(tmp_path), "--root", str(tmp_path / "ours")], "There is no InvokeAI root at"),
        ([str(upstream), "--root", str(upstream)], "settings of InvokeAI itself"),
    ):
        done = run_command(["import", *arguments], {})
        assert (done.returncode, sentence in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr
    (upstream / "invokeai.yaml").unlink()
    before = state_of(upstream)
    done = run_command(["database", "migrate", "--root", str(upstream)], {})
    assert (done.returncode, "`invokeai-cloud import`" in done.stderr) == (2, True)
    assert state_of(upstream) == before


def test_losses_are_listed_and_end_nothing(upstream: Path, tmp_path: Path) -> None:
    next((upstream / "outputs" / "images").glob("*.png")).unlink()
    done = run_command(["import", str(upstream), "--root", str(tmp_path / "ours")], {})
    assert (done.returncode, "pictures: 6 found, 5 new, 0 here before, 1 passed over\n" in done.stdout) == (0, True)
    assert "1 files are missing or cannot be read:\n  pictures, " in done.stderr
