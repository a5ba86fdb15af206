"""`invokeai-cloud database migrate` and `wrangler d1 migrations` keep one record of what is applied."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from invokeai.app.services.shared.database.migrations import MIGRATIONS, migration_files
from tests.cloud.d1_gateway import FRONTEND, D1Gateway
from tests.studio_process import HIDDEN_FROM_THE_SERVER

NOTHING_LEFT = "No migrations to apply!"
DATABASE_ID = "database-0"
"""What the local gateway calls the first database in its store."""


@pytest.fixture
def wrangler_folder(tmp_path: Path, d1_gateway: D1Gateway) -> Path:
    """A project of wrangler's over our migrations; the gateway fixture has installed wrangler."""
    folder = tmp_path / "project"
    folder.mkdir()
    settings = {"binding": "DB", "database_name": "studio", "database_id": DATABASE_ID, "migrations_dir": MIGRATIONS}
    lines = ['name = "studio"', 'compatibility_date = "2026-04-01"', "[[d1_databases]]"]
    (folder / "wrangler.toml").write_text("\n".join([*lines, *(f'{key} = "{settings[key]}"' for key in settings)]))
    return folder


def wrangler(folder: Path, action: str) -> str:
    """What `wrangler d1 migrations` says of the database in `<folder>/state`."""
    command = [str(FRONTEND / "node_modules/.bin/wrangler"), "d1", "migrations", action, "studio", "--local"]
    quiet = {"WRANGLER_SEND_METRICS": "false", "CI": "1", "CLOUDFLARE_CF_FETCH_ENABLED": "false"}
    done = subprocess.run(
        [*command, "--persist-to", str(folder / "state")],
        cwd=folder,
        env={**os.environ, **quiet},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def our_command(folder: Path, root: Path) -> list[str]:
    """What our command says of the same database, through the gateway; its lines."""
    gateway = D1Gateway(1, folder / "state" / "v3" / "d1")
    try:
        d1 = gateway.new_database()
        settings = {
            "INVOKEAI_DATABASE": "d1",
            "INVOKEAI_D1_BASE_URL": d1.base_url,
            "INVOKEAI_D1_ACCOUNT_ID": d1.account_id,
            "INVOKEAI_D1_DATABASE_ID": d1.database_id,
            "INVOKEAI_D1_API_TOKEN": str(d1.token),
        }
        return run_command(["database", "migrate", "--root", str(root)], settings).stdout.splitlines()
    finally:
        gateway.stop()


def run_command(arguments: list[str], settings: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN_FROM_THE_SERVER)}
    command = [sys.executable, "-m", "invokeai.app.cloud_cli", *arguments]
    return subprocess.run(command, env={**kept, **settings}, capture_output=True, text=True, timeout=120)


def test_wrangler_has_nothing_left_after_us(wrangler_folder: Path, tmp_path: Path) -> None:
    names = [file.name for file in migration_files()]
    waiting = wrangler(wrangler_folder, "list")
    assert all(name in waiting for name in names)
    assert our_command(wrangler_folder, tmp_path) == [f"applied {name}" for name in names]
    assert NOTHING_LEFT in wrangler(wrangler_folder, "list")
    assert NOTHING_LEFT in wrangler(wrangler_folder, "apply")


def test_we_have_nothing_left_after_wrangler(wrangler_folder: Path, tmp_path: Path) -> None:
    wrangler(wrangler_folder, "apply")
    assert our_command(wrangler_folder, tmp_path) == ["Nothing to apply: the database is up to date."]
    assert NOTHING_LEFT in wrangler(wrangler_folder, "list")


def test_sqlite_is_migrated_by_the_same_command(tmp_path: Path) -> None:
    arguments = ["database", "migrate", "--root", str(tmp_path)]
    assert run_command(arguments, {}).stdout.splitlines() == [f"applied {file.name}" for file in migration_files()]
    assert run_command(arguments, {}).stdout == "Nothing to apply: the database is up to date.\n"


def test_what_a_user_can_mend_is_one_sentence(tmp_path: Path) -> None:
    done = run_command(["database", "migrate", "--root", str(tmp_path)], {"INVOKEAI_DATABASE": "d1"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "`database: d1` needs the setting `d1_account_id` and `d1_database_id`.\n"
