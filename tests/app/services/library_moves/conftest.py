"""Libraries for the tests of moves, closed at the end."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from invokeai.app.services.library_moves.library import Library
from tests.app.services.library_moves.seeded import in_cloud, on_disk

NewLibrary = Callable[[str], Library]


@pytest.fixture
async def new_library(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[NewLibrary]:
    """Makes libraries: `disk` or `cloud`, then a name of its own."""
    made = []

    def make(kind: str) -> Library:
        if kind == "cloud":
            library = in_cloud(request.getfixturevalue("d1_gateway"), request.getfixturevalue("s3_server"))
        else:
            library = on_disk(tmp_path / f"{kind}-{len(made)}")
        made.append(library)
        return library

    yield make
    for library in made:
        await library.close()
