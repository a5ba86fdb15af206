"""The console command `invokeai-cloud`: the database's migrations, libraries that move, the deployment.

What a user can mend ends a command with one sentence on standard error and exit code 2. Every command is safe to
repeat.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from invokeai.app.cloud_cli.deploy import add_deploy_command
from invokeai.app.services.config.config import ConfigurationError
from invokeai.app.services.shared.database.base import DatabaseError, DatabaseUnavailable
from invokeai.app.services.shared.errors import ServiceError, Unavailable

EXIT_UNFINISHED = 1
"""Something is not as it should be; what was said tells what."""
EXIT_REFUSED = 2
SHOWN = 50
"""How many lines of a list of faults are shown."""

Command = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        return asyncio.run(command(options))
    except (DatabaseUnavailable, Unavailable) as error:
        print(f"{error} The same command goes on from here.", file=sys.stderr)  # noqa: T201
        return EXIT_REFUSED
    except (ConfigurationError, DatabaseError, ServiceError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)  # noqa: T201
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="invokeai-cloud", description="Care for a studio: library and deployment.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    database = commands.add_parser("database", help="care for the database").add_subparsers(required=True)
    migrate = database.add_parser("migrate", help="apply the migrations that the configured database lacks")
    _add_root(migrate)
    migrate.set_defaults(command=_migrate_database)

    move = commands.add_parser("migrate", help="copy a library from one storage to another, and check it")
    place = "a studio's root, or a YAML file of its settings"
    move.add_argument("--from", dest="source", type=Path, required=True, metavar="ROOT_OR_YAML", help=place)
    move.add_argument("--to", dest="target", type=Path, required=True, metavar="ROOT_OR_YAML", help=place)
    move.add_argument(
        "--into-existing", action="store_true", help="add to a library in use; nothing that it has is changed"
    )
    move.set_defaults(command=_move_library)

    bring = commands.add_parser("import", help="bring the root of an InvokeAI 6.x studio into the configured library")
    bring.add_argument("upstream", type=Path, metavar="ROOT", help="root of the InvokeAI studio; it is only read")
    _add_root(bring)
    bring.set_defaults(command=_import_root)
    add_deploy_command(commands)
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


async def _move_library(options: argparse.Namespace) -> int:
    from invokeai.app.cloud_cli.libraries import open_library
    from invokeai.app.services.config.config import load_config_of
    from invokeai.app.services.library_moves.move import LibraryMove
    from invokeai.app.services.library_moves.progress import Progress

    settings = [load_config_of(options.source), load_config_of(options.target)]
    async with AsyncExitStack() as opened:
        source = await open_library(settings[0], must_exist=True)
        opened.push_async_callback(source.close)
        target = await open_library(settings[1])
        opened.push_async_callback(target.close)
        move = LibraryMove(source, target, Progress(sys.stderr), into_existing=options.into_existing)
        report = await move.run()
    _say(
        f"Checked {report.files:,} files and {report.rows:,} rows; copied {report.files_written:,} and "
        f"{report.rows_written:,} of them in this run."
    )
    if report.kept:
        _say(f"{report.kept:,} are there in another version, which was kept.")
    if report.without_file:
        _say(f"{report.without_file:,} pictures have no file in the source either.")
    if report.waiting:
        _say(f"{report.waiting:,} items of the queue wait in both now: go on with one of the two studios only.")
    _list("faults", report.faults)
    return EXIT_UNFINISHED if report.faults else 0


async def _import_root(options: argparse.Namespace) -> int:
    from invokeai.app.cloud_cli.libraries import open_library
    from invokeai.app.services.config.config import load_config
    from invokeai.app.services.library_moves.progress import Progress
    from invokeai.app.services.library_moves.upstream_import import UpstreamImport
    from invokeai.app.services.library_moves.upstream_root import UpstreamRoot

    config = load_config(options.root and str(options.root))
    with UpstreamRoot(options.upstream.expanduser()) as upstream:
        library = await open_library(config)
        try:
            report = await UpstreamImport(upstream, library, Progress(sys.stderr), config.max_image_pixels).run()
        finally:
            await library.close()
    for name, taken in report.taken.items():
        passed_over = f", {taken.passed_over:,} passed over" if taken.passed_over else ""
        _say(f"{name}: {taken.found:,} found, {taken.added:,} new, {taken.there_before:,} here before{passed_over}")
    _say(f"{report.files_checked:,} files checked")
    for title, lines in (
        ("files are missing or cannot be read", report.missing_files),
        ("entries are damaged", report.damaged),
        ("remarks", report.left_out),
        ("faults: run the same command again", report.faults),
    ):
        _list(title, lines)
    return EXIT_UNFINISHED if report.faults else 0


def _list(title: str, lines: list[str]) -> None:
    """The first of the lines on standard error, if there are any."""
    if lines:
        more = [f"… and {len(lines) - SHOWN:,} more"] if len(lines) > SHOWN else []
        print("\n  ".join([f"{len(lines):,} {title}:", *lines[:SHOWN], *more]), file=sys.stderr)  # noqa: T201


def _say(text: str) -> None:
    print(text)  # noqa: T201
