"""The OpenAPI document of an earlier start, kept on disk while nothing that it shows has changed.

Building it takes half a second of the first page load. A file is found again only by a digest over the versions and
over name, size and time of every source file of the package and of the loaded node packs.
"""

import hashlib
import logging
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import fastapi
import pydantic

import invokeai
from invokeai.app.api.compression import GZIP_WINDOW
from invokeai.app.invocations.registry import InvocationRegistry

logger = logging.getLogger(__name__)

PREFIX = "openapi-"


class OpenApiCache:
    """Documents in `folder`, gzipped; at most one is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self) -> tuple[bytes, bytes] | None:
        """The document (plain, gzipped) that fits the code and nodes as they are now, or None."""
        try:
            gzipped = self._path().read_bytes()
            return zlib.decompress(gzipped, GZIP_WINDOW), gzipped
        except (OSError, zlib.error):
            return None

    def put(self, gzipped: bytes) -> None:
        """Keep a document in place of any older one. A folder that cannot be written is no fault."""
        path = self._path()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(f".{os.getpid()}")
            unfinished.write_bytes(gzipped)
            unfinished.replace(path)
            for old in self._folder.glob(f"{PREFIX}*"):
                if old != path:
                    old.unlink(missing_ok=True)
        except OSError as error:
            logger.debug("The OpenAPI document is not kept: %s", error)

    def _path(self) -> Path:
        digest = hashlib.sha256()
        for fact in _facts():
            digest.update(fact.encode(errors="replace") + b"\0")
        return self._folder / f"{PREFIX}{digest.hexdigest()[:32]}.json.gz"


def _facts() -> Iterator[str]:
    yield from (sys.version, fastapi.__version__, pydantic.VERSION, invokeai.__path__[0])
    yield from InvocationRegistry.invocation_types()
    yield from _stamps(Path(invokeai.__path__[0]))
    for pack in sorted({node.__module__.split(".")[0] for node in InvocationRegistry.get_invocation_classes()}):
        file = getattr(sys.modules.get(pack), "__file__", None)
        if pack != "invokeai" and file:
            path = Path(file)
            yield from _stamps(path.parent) if path.name == "__init__.py" else [_stamp(path, path.stat())]


def _stamps(folder: Path) -> Iterator[str]:
    """Name, size and time of each Python file below `folder`, in order."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.endswith(".py"):
            yield _stamp(Path(entry.path), entry.stat())
        elif entry.is_dir(follow_symlinks=False) and entry.name[0] not in "._":
            yield from _stamps(Path(entry.path))


def _stamp(path: Path, facts: os.stat_result) -> str:
    return f"{path}:{facts.st_size}:{facts.st_mtime_ns}"
