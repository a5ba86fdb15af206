"""Relations between models: pairs without direction, each stored once, in order of the keys."""

import orjson

from invokeai.app.services.shared.database.base import Database
from invokeai.app.services.shared.errors import InvalidInput, NotFound
from invokeai.app.services.shared.timestamps import timestamp

INSERT = "INSERT INTO model_relationships (model_key, related_key, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
DELETE = "DELETE FROM model_relationships WHERE model_key = ? AND related_key = ?"
RELATED = """SELECT related_key AS key FROM model_relationships WHERE model_key IN (SELECT value FROM json_each(?))
  UNION SELECT model_key FROM model_relationships WHERE related_key IN (SELECT value FROM json_each(?)) ORDER BY 1"""


class ModelRelationships:
    """The pairs in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def related(self, keys: list[str]) -> list[str]:
        """Keys related to any of `keys`, in order. One round trip; none without keys."""
        if not keys:
            return []
        listed = orjson.dumps(keys).decode()
        rows = await self._database.fetch(RELATED, listed, listed)
        return [str(row["key"]) for row in rows]

    async def add(self, one: str, other: str) -> None:
        """Relate two models. One round trip. Raises InvalidInput when they are the same."""
        if one == other:
            raise InvalidInput("A model cannot be related to itself.")
        await self._database.execute(INSERT, *sorted((one, other)), timestamp())

    async def remove(self, one: str, other: str) -> None:
        """Part two models. One round trip. Raises NotFound when they are not related."""
        result = await self._database.execute(DELETE, *sorted((one, other)))
        if not result.rowcount:
            raise NotFound("The two models are not related.")
