"""Migrations: `NNNN_name.sql` files, applied in the order of their names, each wholly or not at all.

The record is the table that `wrangler d1 migrations` keeps, so either tool sees what the other applied.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from invokeai.app.services.shared.database.base import DatabaseRejected

MIGRATIONS = Path(__file__).with_name("migrations")

CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)
"""
SELECT_UPSTREAM = """
SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'board_images'
AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'd1_migrations')
"""
"""Whether a database is InvokeAI's: a table that only it has, and no record of ours."""
SELECT_APPLIED = "SELECT name FROM d1_migrations"
INSERT_APPLIED = "INSERT INTO d1_migrations (name) VALUES (?)"


def migration_files(folder: Path = MIGRATIONS) -> list[Path]:
    """The migrations of `folder`, oldest first."""
    return sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))


def statements(script: str) -> Iterator[str]:
    """The single statements of a SQL script; a trigger's body stays in one piece."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending.strip()
            pending = ""
    if pending.strip():
        yield pending.strip()


def apply_pending(connection: sqlite3.Connection, path: Path, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is not applied yet to the file at `path`; the names applied.

    A file that already holds migrations is first copied to `<file>.before-NNNN`.

    Raises:
        DatabaseRejected: the file is InvokeAI's own, and was not changed; or a migration is wrong: it left nothing
            behind, the ones before it stay.
    """
    if connection.execute(SELECT_UPSTREAM).fetchone():
        raise DatabaseRejected(
            f"{path} is a database of InvokeAI itself. Give this studio another root; `invokeai-cloud import` brings "
            "the library over."
        )
    connection.execute(CREATE_TABLE)
    applied = {name for (name,) in connection.execute(SELECT_APPLIED)}
    pending = [file for file in migration_files(folder) if file.name not in applied]
    if applied and pending:
        _back_up(connection, path.with_name(f"{path.name}.before-{pending[0].name[:4]}"))
    return [file.name for file in pending if _apply(connection, file)]


def _apply(connection: sqlite3.Connection, file: Path) -> bool:
    """Whether this call applied `file` (another process may have been faster)."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = connection.execute(SELECT_APPLIED + " WHERE name = ?", (file.name,)).fetchone()
        if done is None:
            for statement in statements(file.read_text(encoding="utf-8")):
                connection.execute(statement)
            connection.execute(INSERT_APPLIED, (file.name,))
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise DatabaseRejected(f"The migration {file.name} failed and was taken back: {error}.") from error
    return done is None


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    with sqlite3.connect(target) as copy:
        connection.backup(copy)
    copy.close()
