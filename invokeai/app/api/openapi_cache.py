"""OpenAPI documents that were built before, found again only where nothing that they show has changed.

Building one takes half a second of a core. A file's name is a digest over versions, routes, events and nodes, and over
the text of every source file of the package and of the loaded node packs; so it means the same on any machine.
"""

import hashlib
import logging
import os
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import fastapi
import pydantic

from invokeai.app.api.compression import GZIP_WINDOW
from invokeai.app.invocations.registry import InvocationRegistry

logger = logging.getLogger(__name__)

PREFIX = "openapi-"
STARTED = time.time()


class OpenApiCache:
    """Documents in `folder`, gzipped, of which at most one is kept. `prebuilt`, another such folder, is only read."""

    def __init__(self, folder: Path, prebuilt: Path | None = None) -> None:
        self._folder = folder
        self._folders = (prebuilt, folder) if prebuilt else (folder,)

    def get(self, name: str) -> tuple[bytes, bytes] | None:
        """The document (plain, gzipped) of that name, or None."""
        for folder in self._folders:
            try:
                gzipped = (folder / name).read_bytes()
                return zlib.decompress(gzipped, GZIP_WINDOW), gzipped
            except (OSError, zlib.error):
                continue
        return None

    def put(self, name: str, gzipped: bytes) -> None:
        """Keep a document in place of any older one. A folder that cannot be written is no fault."""
        path = self._folder / name
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


def document_name(shown: Iterable[str]) -> str | None:
    """Name of the document that shows these routes and events and the nodes that are loaded.

    None where a source file is younger than this process (what runs may be the text before), or where a node has none.
    """
    places = _places()
    if places is None:
        return None
    digest = hashlib.sha256()
    nodes = (*InvocationRegistry.invocation_types(), "outputs", *InvocationRegistry.output_types())
    for fact in (sys.version, fastapi.__version__, pydantic.VERSION, *shown, *nodes):
        digest.update(fact.encode(errors="replace") + b"\0")
    for place in places:
        for path in _sources(place):
            if path.stat().st_ctime > STARTED:
                return None
            text = path.read_bytes()
            digest.update(f"{path.relative_to(place.parent)}:{len(text)}\0".encode(errors="replace") + text)
    return f"{PREFIX}{digest.hexdigest()[:32]}.json.gz"


def _places() -> list[Path] | None:
    """Folder or file of our package and of each other one with a node or an output; None where one has neither."""
    classes = (*InvocationRegistry.get_invocation_classes(), *InvocationRegistry.get_output_classes())
    packs = sorted({cls.__module__.split(".")[0] for cls in classes} - {"invokeai"})
    files = [getattr(sys.modules.get(pack), "__file__", None) for pack in ("invokeai", *packs)]
    paths = [Path(file) for file in files if file]
    return [path.parent if path.name == "__init__.py" else path for path in paths] if all(files) else None


def _sources(place: Path) -> Iterator[Path]:
    """Each Python file that `place` is or holds, in order."""
    if not place.is_dir():
        yield place
        return
    with os.scandir(place) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.endswith(".py"):
            yield Path(entry.path)
        elif entry.is_dir(follow_symlinks=False) and entry.name[0] != "." and entry.name != "__pycache__":
            yield from _sources(Path(entry.path))
