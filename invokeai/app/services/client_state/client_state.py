"""What the UI remembers between visits: texts by user and key.

A value is what was stored, to the letter; a value that is too long for one database value lies in several parts.
"""

from invokeai.app.services.shared.database.base import BatchResult, Database, Statement
from invokeai.app.services.shared.database.shared_requests import SharedRequests
from invokeai.app.services.shared.errors import InvalidInput

MAX_KEY_LENGTH = 300
PART_LENGTH = 400_000
"""Characters a part; four bytes each at most, which stays below the limit of a database value."""

_GET = "SELECT value FROM client_state WHERE user_id = ? AND key = ? ORDER BY part"
_SET_PART = (
    "INSERT INTO client_state (user_id, key, part, value) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (user_id, key, part) DO UPDATE SET value = excluded.value"
)
_CUT = "DELETE FROM client_state WHERE user_id = ? AND key = ? AND part >= ?"
_KEYS = "SELECT key FROM client_state WHERE user_id = ? AND part = 0 AND substr(key, 1, length(?)) = ? ORDER BY key"
_DELETE_ALL = "DELETE FROM client_state WHERE user_id = ?"


class ClientStateService:
    """The state of one user at a time. Every method is one round trip; writes that wait for another share one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # one at a time, so that the last one to come is the last one to be written
        self._writes: SharedRequests[BatchResult] = SharedRequests(database.batch, at_once=1)

    async def get(self, user_id: str, key: str) -> str | None:
        """The value, or None when nothing is stored."""
        rows = await self._database.fetch(_GET, user_id, key)
        return "".join(str(row["value"]) for row in rows) if rows else None

    async def set(self, user_id: str, key: str, value: str) -> None:
        """Store `value` in place of what was there.

        Raises:
            InvalidInput: the key is empty or too long.
        """
        if not 0 < len(key) <= MAX_KEY_LENGTH:
            raise InvalidInput(f"A key has between 1 and {MAX_KEY_LENGTH} characters.")
        parts = [value[start : start + PART_LENGTH] for start in range(0, len(value), PART_LENGTH)] or [""]
        writes = [Statement(_SET_PART, (user_id, key, number, part)) for number, part in enumerate(parts)]
        await self._writes.ask([*writes, Statement(_CUT, (user_id, key, len(parts)))])

    async def keys(self, user_id: str, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, in order."""
        rows = await self._database.fetch(_KEYS, user_id, prefix, prefix)
        return [str(row["key"]) for row in rows]

    async def delete(self, user_id: str, key: str) -> None:
        """Forget one key; no fault when it is not there."""
        await self._writes.ask([Statement(_CUT, (user_id, key, 0))])

    async def delete_all(self, user_id: str) -> None:
        """Forget everything of the user."""
        await self._writes.ask([Statement(_DELETE_ALL, (user_id,))])
