"""The UI's first visit stores some twenty values at once."""

import asyncio

from invokeai.app.services.client_state.client_state import PART_LENGTH, ClientStateService
from invokeai.app.services.shared.database.base import Database
from tests.app.services.shared.database.counting_database import CountingDatabase


async def test_many_writes_at_once_share_round_trips_and_the_last_one_stays(any_database: Database) -> None:
    database = CountingDatabase(any_database)
    state = ClientStateService(database)
    values = {f"slice {n}": f"value {n}" for n in range(21)} | {"canvas": "é" * (2 * PART_LENGTH + 1)}
    with database.counted() as trips:
        written = (state.set("me", key, value) for key, value in values.items())
        await asyncio.gather(
            *written, *(state.set("me", "ui", str(n)) for n in range(5)), state.delete("me", "slice 0")
        )
    assert trips.count <= 4
    values = {**values, "ui": "4"}
    del values["slice 0"]
    assert {key: await state.get("me", key) for key in await state.keys("me", "")} == values
