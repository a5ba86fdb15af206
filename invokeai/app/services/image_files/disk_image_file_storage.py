"""Pictures as files in a folder: `<name>` and `thumbnails/<stem>.webp`.

A file appears under its name only when it is whole and on the disk (written aside, flushed, renamed).
"""

import asyncio
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from invokeai.app.services.image_files.image_file_storage import FilePart, ImageFileStorage, validate_name
from invokeai.app.services.shared.errors import NotFound, Unavailable

_ASIDE = ".tmp-"
_ASIDE_SECONDS = 3600
"""A file written aside that is older belongs to no write that still runs."""


class DiskImageFileStorage(ImageFileStorage):
    """Files below `root`, which is made when the first one is stored."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._thumbnails = root / "thumbnails"

    async def save(self, name: str, png: bytes, thumbnail: bytes) -> None:
        await asyncio.to_thread(self._save, [(self._path(name, True), thumbnail), (self._path(name, False), png)])

    async def save_thumbnail(self, name: str, thumbnail: bytes) -> None:
        await asyncio.to_thread(self._save, [(self._path(name, True), thumbnail)])

    async def read(self, name: str, *, thumbnail: bool = False, start: int = 0, length: int | None = None) -> FilePart:
        return await asyncio.to_thread(self._read, self._path(name, thumbnail), name, start, length)

    async def delete(self, names: Iterable[str]) -> None:
        paths = [self._path(name, thumbnail) for name in names for thumbnail in (False, True)]
        await asyncio.to_thread(_delete, paths)

    async def names(self, older_than_seconds: float = 0) -> list[str]:
        return await asyncio.to_thread(self._names, time.time() - older_than_seconds)

    def get_path(self, name: str, *, thumbnail: bool = False) -> str:
        return str(self._path(name, thumbnail))

    def _path(self, name: str, thumbnail: bool) -> Path:
        validate_name(name)
        return self._thumbnails / f"{Path(name).stem}.webp" if thumbnail else self._root / name

    def _save(self, files: list[tuple[Path, bytes]]) -> None:
        try:
            self._thumbnails.mkdir(parents=True, exist_ok=True)
            for path, data in files:
                _write(path, data)
        except OSError as error:
            raise Unavailable(f"The picture could not be stored: {error.strerror or error}.") from error

    def _read(self, path: Path, name: str, start: int, length: int | None) -> FilePart:
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                start = max(0, status.st_size + start) if start < 0 else start
                file.seek(start)
                data = file.read() if length is None else file.read(length)
        except (FileNotFoundError, IsADirectoryError):
            raise NotFound(f"There is no image {name}.") from None
        except OSError as error:
            raise Unavailable(f"The picture could not be read: {error.strerror or error}.") from error
        return FilePart(data, start, status.st_size, f"{status.st_mtime_ns:x}-{status.st_size:x}")

    def _names(self, before: float) -> list[str]:
        if not self._root.exists():
            return []
        self._sweep_aside()
        with os.scandir(self._root) as entries:
            return [
                entry.name
                for entry in entries
                if entry.is_file() and not entry.name.startswith(".") and entry.stat().st_mtime <= before
            ]

    def _sweep_aside(self) -> None:
        """Take away what writes that a crash cut off have left."""
        before = time.time() - _ASIDE_SECONDS
        for folder in (self._root, self._thumbnails):
            for path in folder.glob(f"{_ASIDE}*"):
                with suppress(FileNotFoundError):  # finished meanwhile
                    if path.stat().st_mtime < before:
                        path.unlink()


def _write(path: Path, data: bytes) -> None:
    aside = path.with_name(f"{_ASIDE}{uuid4().hex}")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _delete(paths: list[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:  # a file that stays is an orphan, and orphans are swept
            continue
