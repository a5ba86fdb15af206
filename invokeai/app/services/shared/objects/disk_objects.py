"""Objects as files below a folder. A file appears only when it is whole and on the disk."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from tempfile import TemporaryFile
from typing import IO
from uuid import uuid4

from invokeai.app.services.shared.errors import Conflict, NotFound, Unavailable
from invokeai.app.services.shared.objects.object_store import ObjectEntry, ObjectPart, ObjectStore

_ASIDE = ".tmp-"
_ASIDE_SECONDS = 3600
"""A file written aside that is older belongs to no write that still runs."""


class DiskObjects(ObjectStore):
    """Files below `root`, which is made with the first one."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, key: str, data: bytes, content_type: str, *, if_absent: bool = False) -> str:
        return await asyncio.to_thread(self._put, self._path(key), data, if_absent)

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        target = self._path(key)

        def work() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = target.with_name(f"{_ASIDE}{uuid4().hex}")
            shutil.move(path, aside)
            aside.replace(target)

        await asyncio.to_thread(work)

    def open_unnamed(self) -> IO[bytes]:
        """A file beside the objects, so that it can become one of them without a copy."""
        self._root.mkdir(parents=True, exist_ok=True)
        with suppress(OSError, AttributeError):  # not every disk and system has such files
            return os.fdopen(os.open(self._root, os.O_TMPFILE | os.O_RDWR, 0o666), "r+b", buffering=0)
        return TemporaryFile(buffering=0, dir=self._root)

    async def put_open(self, key: str, file: IO[bytes], content_type: str) -> None:
        try:
            await asyncio.to_thread(_name, file, self._path(key))
        except OSError:  # another disk, or one on which what has no name gets none
            await super().put_open(key, file, content_type)

    async def get(self, key: str, start: int = 0, length: int | None = None) -> ObjectPart:
        return await asyncio.to_thread(_read, self._path(key), key, start, length)

    async def delete(self, keys: Iterable[str]) -> None:
        await asyncio.to_thread(_unlink, [self._path(key) for key in keys])

    async def entries(self, prefix: str) -> AsyncIterator[ObjectEntry]:
        for entry in await asyncio.to_thread(self._entries, prefix):
            yield entry

    async def probe(self) -> None:
        """Write a file and take it away again."""
        path = self._root / f"{_ASIDE}probe-{uuid4().hex}"
        await asyncio.to_thread(self._put, path, b"probe", False)
        await asyncio.to_thread(_unlink, [path])

    async def close(self) -> None:
        """Nothing is held."""

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts or "\0" in key:
            raise NotFound(f"There is no object {key[:80]}.")
        return self._root.joinpath(*parts)

    def _put(self, path: Path, data: bytes, if_absent: bool) -> str:
        aside = path.with_name(f"{_ASIDE}{uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if if_absent:
                os.link(aside, path)
            else:
                aside.replace(path)
            return _etag(path.stat())
        except OSError as error:
            if if_absent and isinstance(error, FileExistsError) and path.exists():
                raise Conflict(f"The object {path.name} is already there.") from None
            raise Unavailable(f"The file could not be stored: {error.strerror or error}.") from error
        finally:
            with suppress(OSError):  # what stays is swept; the reason for the failure is what counts
                aside.unlink()

    def _entries(self, prefix: str) -> list[ObjectEntry]:
        """Files below the prefix; what writes that a crash cut off have left is taken away on the way."""
        folder = self._root / prefix.rpartition("/")[0]
        found = []
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            key = path.relative_to(self._root).as_posix()
            with suppress(FileNotFoundError):  # deleted meanwhile
                status = path.stat()
                if path.name.startswith(_ASIDE):
                    if status.st_mtime < time.time() - _ASIDE_SECONDS:
                        path.unlink()
                elif S_ISREG(status.st_mode) and key.startswith(prefix):
                    found.append(ObjectEntry(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
        return found


def _name(file: IO[bytes], path: Path) -> None:
    """Give an unnamed file its name, in place of what has that name."""
    os.fsync(file.fileno())
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{_ASIDE}{uuid4().hex}")
    folder = os.open(path.parent, os.O_RDONLY)
    try:  # with a folder, for else Python links the symbolic link itself
        os.link(f"/proc/self/fd/{file.fileno()}", aside.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)
    aside.replace(path)


def _unlink(paths: list[Path]) -> None:
    for path in paths:
        with suppress(OSError):  # a file that stays is an orphan, and orphans are swept
            path.unlink(missing_ok=True)


def _etag(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


def _read(path: Path, key: str, start: int, length: int | None) -> ObjectPart:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            start = max(0, status.st_size + start) if start < 0 else start
            file.seek(start)
            data = file.read() if length is None else file.read(length)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFound(f"There is no object {key}.") from None
    except OSError as error:
        raise Unavailable(f"The file could not be read: {error.strerror or error}.") from error
    return ObjectPart(data, start, status.st_size, _etag(status))
