"""Roots of InvokeAI for the tests of imports, made from what a real server left in `upstream_root/`."""

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from invokeai.app.services.library_moves.upstream_root import UpstreamRoot
from tests.app.services.library_moves.seeded import picture

KEPT = Path(__file__).with_name("upstream_root")
NOW = "2026-01-02 03:04:05.678"


def upstream_root(root: Path) -> Path:
    """The kept root at `root`, as the server left it."""
    shutil.copytree(KEPT, root)
    (root / "invokeai.yaml").write_text("schema_version: 4.0.3\nhost: 127.0.0.1\n")
    (root / "databases").mkdir()
    with changed(root) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # as the server does
        connection.executescript((root / "invokeai.sql").read_text(encoding="utf-8"))
    return root


@contextmanager
def changed(root: Path) -> Iterator[sqlite3.Connection]:
    """The root's database, to be written to; without the checks that would keep damage out."""
    with closing(sqlite3.connect(root / "databases" / "invokeai.db")) as connection:
        yield connection
        connection.commit()


def add_pictures(root: Path, number: int, metadata: str | None = None) -> None:
    """More pictures, each with a file of its own but no thumbnail."""
    with changed(root) as connection:
        for index in range(number):
            name = f"added-{index:05}.png"
            (root / "outputs" / "images" / name).write_bytes(picture(index))
            connection.execute(
                "INSERT INTO images (image_name, image_origin, image_category, width, height, metadata, created_at, "
                "updated_at) VALUES (?, 'internal', 'general', 24, 24, ?, ?, ?)",
                (name, metadata, NOW, NOW),
            )


def names_of(root: Path) -> list[str]:
    """Names of the root's pictures."""
    with UpstreamRoot(root) as upstream:
        return [str(row["image_name"]) for row in upstream.rows("images")]


def state_of(root: Path) -> dict[str, tuple[str, int]]:
    """Digest and time of each file below `root`: what a reader must not change."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(root)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }
