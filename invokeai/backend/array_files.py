"""Arrays on disk, compressed. A file is complete or not there, and loading one never runs code."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write `array`, replacing a file of that name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    try:
        with draft.open("wb") as file:
            np.savez_compressed(file, array=array)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def read_array(path: Path) -> NDArray[Any]:
    """The array in the file.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it holds no array.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive["array"])
    except (KeyError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path.name} holds no array.") from error
