"""The root of an InvokeAI 6.x studio, as a file format: its SQLite file and its folders. It is only ever read.

The database is read from a copy, because SQLite writes beside a file even to read it. Rows come as mappings, because
older versions lack some columns. No path of a row leads out of the root's folders.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import yaml

from invokeai.app.services.shared.errors import Conflict, InvalidInput, NotFound

RawRow = Mapping[str, Any]
COPY_ATTEMPTS = 3
_FOLDERS = {
    "db_dir": "databases",
    "outputs_dir": "outputs",
    "style_presets_dir": "style_presets",
    "workflow_thumbnails_dir": "workflow_thumbnails",
}
"""Settings of `invokeai.yaml` that name folders, and their defaults."""
_SIDE_FILES = ("-wal", "-journal")
"""What SQLite keeps beside a database that was not closed; without them the last writes are lost."""


class UpstreamRoot:
    """Rows and files of the studio below `root`; a context manager, which holds the copy of the database.

    Raises:
        InvalidInput: there is no such root. Conflict: its InvokeAI is writing to it.
        OSError: there is no room for the copy.
    """

    def __init__(self, root: Path) -> None:
        settings = _settings(root / "invokeai.yaml")
        folders = {
            name: root / Path(str(settings.get(name) or folder)).expanduser() for name, folder in _FOLDERS.items()
        }
        self.database_path = folders["db_dir"] / "invokeai.db"
        self.images_path = folders["outputs_dir"] / "images"
        self._style_presets = folders["style_presets_dir"] / "images"
        self._workflows = folders["workflow_thumbnails_dir"]
        self.damaged_files: list[str] = []
        """Sentences: small pictures that were asked for and are damaged."""
        if not self.database_path.is_file():
            raise InvalidInput(f"There is no InvokeAI root at {root}: {self.database_path} does not exist.")
        self._folder = tempfile.TemporaryDirectory(prefix="invokeai-import-")
        with ExitStack() as undone:
            undone.callback(self.close)
            self._copy = _copied(self.database_path, Path(self._folder.name))
            self._tables = self._checked_tables(root)
            undone.pop_all()

    def __enter__(self) -> "UpstreamRoot":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Throw the copy away."""
        self._folder.cleanup()

    def count(self, table: str) -> int:
        """How many rows the table has; none when it is not there."""
        return int(self._column(f"SELECT count(*) FROM {table}")[0]) if table in self._tables else 0

    def rows(self, table: str) -> Iterator[RawRow]:
        """Every row in the order of writing. Raises sqlite3.DatabaseError where the file is damaged."""
        if table not in self._tables:
            return
        with closing(self._connect()) as connection:
            cursor = connection.execute(f"SELECT * FROM {table} ORDER BY rowid")
            names = [column[0] for column in cursor.description]
            for values in cursor:
                yield dict(zip(names, values, strict=True))

    def picture(self, row: RawRow) -> bytes:
        """The file of a picture's row. Raises NotFound."""
        return _read(self.images_path / _subfolder(row) / _plain(row["image_name"]))

    def thumbnail(self, row: RawRow) -> bytes | None:
        """The picture's thumbnail (WebP), or None when it is not there or damaged."""
        name = PurePosixPath(_plain(row["image_name"])).with_suffix(".webp")
        data = _read_or_none(self.images_path / "thumbnails" / _subfolder(row) / name)
        return data if data and _is_whole_webp(data) else None

    def workflow_thumbnail(self, workflow_id: str) -> bytes | None:
        """A workflow's thumbnail (WebP), or None."""
        return self._small_picture(self._workflows / f"{_plain(workflow_id)}.webp")

    def preset_picture(self, preset_id: str) -> bytes | None:
        """A style preset's picture (WebP), or None."""
        return self._small_picture(self._style_presets / f"{_plain(preset_id)}.webp")

    def _small_picture(self, path: Path) -> bytes | None:
        data = _read_or_none(path)
        if data is not None and not _is_whole_webp(data):
            self.damaged_files.append(f"{path} is damaged.")
            return None
        return data

    def _column(self, sql: str) -> list[Any]:
        with closing(self._connect()) as connection:
            return [row[0] for row in connection.execute(sql)]

    def _checked_tables(self, root: Path) -> set[str]:
        try:
            tables = set(self._column("SELECT name FROM sqlite_master WHERE type = 'table'"))
        except sqlite3.Error as error:
            raise InvalidInput(f"{self.database_path} cannot be read: {error}.") from None
        if "d1_migrations" in tables:
            raise InvalidInput(f"{root} is a root of InvokeAI Cloud; `invokeai-cloud migrate` copies it.")
        if not {"images", "boards"} <= tables:
            raise InvalidInput(f"{self.database_path} is no database of InvokeAI.")
        return tables

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._copy)
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        return connection


def _copied(database: Path, folder: Path) -> Path:
    """A copy of a SQLite database and what belongs to it, taken while nobody wrote. Raises Conflict, OSError."""
    files = [database, *(database.with_name(database.name + side) for side in _SIDE_FILES)]
    for _ in range(COPY_ATTEMPTS):
        before = _states(files)
        for file in files:
            target = folder / file.name
            target.unlink(missing_ok=True)
            if before[file.name]:
                shutil.copyfile(file, target)
        if _states(files) == before:
            return folder / database.name
    raise Conflict(f"{database} is being written to: stop InvokeAI and try again.")


def _states(files: list[Path]) -> dict[str, tuple[int, int] | None]:
    stats = {file.name: file.stat() if file.exists() else None for file in files}
    return {name: (stat.st_mtime_ns, stat.st_size) if stat else None for name, stat in stats.items()}


def _settings(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text()) if path.exists() else None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from None
    return values if isinstance(values, dict) else {}


def _subfolder(row: RawRow) -> PurePosixPath:
    """The part of the path that newer versions put between folder and name. Raises NotFound when it leads away."""
    path = PurePosixPath(str(row.get("image_subfolder") or ""))
    if path.is_absolute() or ".." in path.parts:
        raise NotFound(f"the folder {path} lies outside of the pictures")
    return path


def _plain(name: object) -> str:
    """A file's name. Raises NotFound when it leads into another folder."""
    text = str(name)
    if not text or "/" in text or "\\" in text or "\0" in text or text in (".", ".."):
        raise NotFound(f"“{text[:80]}” is not the name of a file")
    return text


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"the file {path} cannot be read: {error.strerror}") from None


def _read_or_none(path: Path) -> bytes | None:
    try:
        return _read(path)
    except NotFound:
        return None


def _is_whole_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and int.from_bytes(data[4:8], "little") + 8 <= len(data)
