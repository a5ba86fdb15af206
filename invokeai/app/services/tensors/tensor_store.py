"""Tensors that nodes hand to each other: numpy arrays in files, kept for a week.

Files, not memory: a session that goes on after a restart finds what its finished nodes made. Names are made from
session and node, so a node that runs again replaces its own file.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invokeai.app.services.shared.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT_SECONDS = 7 * 24 * 3600
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class TensorStore:
    """Arrays by name in `folder`, which is made at the first save. Blocking: call it in threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, name: str, array: NDArray[Any]) -> None:
        """Keep `array` under `name`, in place of what was there. Raises InvalidInput for a wrong name."""
        from invokeai.backend.array_files import write_array

        write_array(self._path(name), array)

    def load(self, name: str) -> NDArray[Any]:
        """The array. Raises NotFound, or InvalidInput for a wrong name."""
        from invokeai.backend.array_files import read_array

        try:
            return read_array(self._path(name))
        except (FileNotFoundError, ValueError):
            raise NotFound(f"There is no tensor {name}. Tensors are kept for a week; run its node again.") from None

    def sweep(self, older_than: float = KEPT_SECONDS) -> int:
        """Delete tensors written more than `older_than` seconds ago; how many."""
        if not self._folder.is_dir():
            return 0
        limit = time.time() - older_than
        old = [path for path in self._folder.iterdir() if path.is_file() and path.stat().st_mtime < limit]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"{name[:40]!r} is no name of a tensor.")
        return self._folder / f"{name}.npz"
