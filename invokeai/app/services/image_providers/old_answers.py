"""Raw answers of providers are deleted a day after their pictures were stored: by then nobody asks for them again.

Those of an item that may run again stay, whatever their age, and so do those whose pictures are not stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from invokeai.app.services.image_providers.receipt_sql import FORGET_ANSWERS, OLD_ANSWERS
from invokeai.app.services.shared.sweep import FIRST_SECONDS, Sweep
from invokeai.app.services.shared.timestamps import timestamp_after

if TYPE_CHECKING:
    from invokeai.app.services.shared.database.base import Database
    from invokeai.app.services.shared.objects.object_store import ObjectStore

AT_ONCE = 500
KEPT_SECONDS = 24 * 3600.0
"""After the pictures are stored: as long as a request may be repeated under its Idempotency-Key."""


class OldAnswers(Sweep):
    """The answers in an object store that the receipts in the database name."""

    swept = "answers whose pictures have long been stored"

    def __init__(self, database: Database, objects: ObjectStore, first_seconds: float = FIRST_SECONDS) -> None:
        super().__init__(first_seconds)
        self._database = database
        self._objects = objects

    async def sweep(self) -> int:
        """Delete those of calls that were stored long enough ago; how many."""
        return await self.delete(timestamp_after(-KEPT_SECONDS))

    async def delete(self, before: str) -> int:
        """Delete those of calls that were stored before that time; how many. Two round trips for 500, and one.

        Raises:
            Unavailable, DatabaseError: a store is away; what is left is deleted the next time.
        """
        deleted = 0
        while rows := await self._database.fetch(OLD_ANSWERS, before, AT_ONCE):
            await self._objects.delete([answer_key(str(row["raw_answer"])) for row in rows])
            await self._database.execute(FORGET_ANSWERS, orjson.dumps([row["receipt_id"] for row in rows]).decode())
            deleted += len(rows)
        return deleted


def answer_key(reference: str) -> str:
    """The object that an answer of that reference is."""
    return f"receipts/{reference}"
