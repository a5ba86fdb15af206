"""What paid calls cost, by day, user, provider or model. Sums never mix currencies, and what is unknown is counted.

A row is one name in one currency; pictures without a known cost are in `images_of_unknown_cost`, never a zero amount.
"""

from dataclasses import dataclass
from typing import Literal, cast

from invokeai.app.services.image_providers.spend_caps import amount_text
from invokeai.app.services.shared.database.base import Database

SpendBy = Literal["day", "user", "provider", "model"]
COLUMNS: dict[str, str] = {
    "day": "substr(created_at, 1, 10)",
    "user": "user_id",
    "provider": "provider_id",
    "model": "provider_id || '/' || model_id",
}
REPORT = """SELECT {column} AS name, CASE WHEN cost_micros IS NULL THEN NULL ELSE cost_currency END AS currency,
  COUNT(*) AS calls, SUM(images) AS images, SUM(cost_micros) AS micros,
  SUM(CASE WHEN cost_kind = 'estimated' THEN images ELSE 0 END) AS estimated,
  SUM(CASE WHEN state = 'stored' AND cost_micros IS NULL THEN images ELSE 0 END) AS unknown,
  SUM(CASE WHEN state = 'unknown' THEN 1 ELSE 0 END) AS maybe_billed,
  SUM(CASE WHEN state IN ('prepared', 'sent', 'answered') THEN 1 ELSE 0 END) AS unfinished
  FROM generation_receipts
  WHERE (state NOT IN ('failed', 'refused') OR (state = 'refused' AND cost_micros IS NOT NULL))
    AND substr(created_at, 1, 10) >= ? AND substr(created_at, 1, 10) <= ? AND (? IS NULL OR user_id = ?)
  GROUP BY 1, 2 ORDER BY 1, 2"""
"""Calls that failed at no cost, and refusals that cost nothing, are left out. NULL currency: no cost is known."""


@dataclass(frozen=True, slots=True)
class SpendRow:
    """One name in one currency. Without a currency the row has no amount: nothing of it is known.

    `images_estimated` are those in `amount` whose figure is an estimate; `calls_maybe_billed` got no answer;
    `calls_unfinished` have not ended or were cut off.
    """

    name: str
    currency: str | None
    amount: str | None
    calls: int
    images: int
    images_estimated: int
    images_of_unknown_cost: int
    calls_maybe_billed: int
    calls_unfinished: int


class SpendReports:
    """Reads the receipts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(
        self, by: SpendBy, first_day: str = "0000-00-00", last_day: str = "9999-99-99", user_id: str | None = None
    ) -> list[SpendRow]:
        """Rows from `first_day` to `last_day` (UTC, both included), of one user or of all. One round trip."""
        sql = REPORT.format(column=COLUMNS[by])
        rows = await self._database.fetch(sql, first_day, last_day, user_id, user_id)
        return [
            SpendRow(
                str(row["name"]),
                cast("str | None", row["currency"]),
                None if row["micros"] is None else amount_text(int(cast(int, row["micros"]))),
                *(int(cast(int, row[n])) for n in ("calls", "images", "estimated", "unknown")),
                *(int(cast(int, row[n])) for n in ("maybe_billed", "unfinished")),
            )
            for row in rows
        ]
