"""Fixtures that every part of the suite may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studio_process import StudioProcess


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[StudioProcess]:
    """A running server without the web UI, on an empty root; stopped at the end."""
    process = StudioProcess(tmp_path / "root")
    process.start()
    yield process
    process.stop()
