"""The console command `invokeai-cloud`: the database's migrations, and libraries that move.

What a user can mend ends a command with one sentence on standard error and exit code 2. Every command is safe to
repeat.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from invokeai.app.services.config.config import ConfigurationError
from invokeai.app.services.shared.database.base import DatabaseError
from invokeai.app.services.shared.errors import ServiceError

EXIT_UNFINISHED = 1
"""Something is not as it should be; what was said tells what."""
EXIT_REFUSED = 2

Command = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        return asyncio.run(command(options))
    except (ConfigurationError, DatabaseError, ServiceError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)  # noqa: T201
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="invokeai-cloud", description="Care for the library of InvokeAI Cloud.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    database = commands.add_parser("database", help="care for the database").add_subparsers(required=True)
    migrate = database.add_parser("migrate", help="apply the migrations that the configured database lacks")
    _add_root(migrate)
    migrate.set_defaults(command=_migrate_database)
    return parser


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, help="root of the studio (default: INVOKEAI_ROOT, else ~/invokeai)")


async def _migrate_database(options: argparse.Namespace) -> int:
    from invokeai.app.api.dependencies import record_database
    from invokeai.app.services.config.config import load_config

    database = record_database(load_config(options.root and str(options.root)))
    try:
        applied = await database.migrate()
    finally:
        await database.close()
    _say("\n".join([f"applied {name}" for name in applied] or ["Nothing to apply: the database is up to date."]))
    return 0


def _say(text: str) -> None:
    print(text)  # noqa: T201
