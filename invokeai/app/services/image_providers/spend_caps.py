"""Caps on what a day may cost. They stop a call before it is sent; the receipt's own write takes the hold on them.

A day is a UTC day. Sums are whole micros (millionths) of one currency, so that adding never rounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

import orjson

from invokeai.app.services.config.config import AppConfig
from invokeai.app.services.image_providers.generation import Cost
from invokeai.app.services.image_providers.provider_errors import SpendCapReached
from invokeai.app.services.library_defaults.library_facts import fact_statement
from invokeai.app.services.shared.database.base import Database, SqlValue
from invokeai.app.services.shared.errors import Conflict, InvalidInput

CURRENCY = "USD"
MICROS = Decimal(1_000_000)
FACT_PREFIX = "setting:"
NAMES = ("daily_spend_cap", "daily_spend_cap_per_user", "assumed_image_cost")
LARGEST = Decimal(1_000_000)

WITHIN_CAPS = """(? IS NULL OR ? + COALESCE((SELECT SUM(cap_micros) FROM generation_receipts
      WHERE cap_day = ? AND receipt_id <> ?), 0) <= ?)
    AND (? IS NULL OR ? + COALESCE((SELECT SUM(cap_micros) FROM generation_receipts
      WHERE cap_day = ? AND user_id = ? AND receipt_id <> ?), 0) <= ?)"""
"""True where the day, and the user's day, have room for one more amount."""
HELD = """SELECT COALESCE(SUM(cap_micros), 0) AS everyone,
  COALESCE(SUM(CASE WHEN user_id = ? THEN cap_micros ELSE 0 END), 0) AS own
  FROM generation_receipts WHERE cap_day = ?"""


@dataclass(frozen=True, slots=True)
class Hold:
    """What a call counts against the caps until its cost is known. Caps in micros; None: no cap."""

    day: str
    micros: int = 0
    cap: int | None = None
    user_cap: int | None = None

    def parameters(self, receipt_id: str, user_id: str) -> tuple[SqlValue, ...]:
        """The values of `WITHIN_CAPS`, in order."""
        everyone = (self.cap, self.micros, self.day, receipt_id, self.cap)
        return (*everyone, self.user_cap, self.micros, self.day, user_id, receipt_id, self.user_cap)


def today() -> str:
    """The UTC day, as caps count it."""
    return datetime.now(UTC).strftime("%Y-%m-%d")


def micros(amount: str | Decimal | None) -> int | None:
    """Decimal text in micros, rounded up, so that the smallest cost is not counted as nothing."""
    if amount is None:
        return None
    return int((Decimal(amount) * MICROS).to_integral_value(ROUND_CEILING))


def amount_text(value: int) -> str:
    """Micros as decimal text, at least two decimals."""
    text = f"{Decimal(value) / MICROS:.6f}"
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


class SpendCaps:
    """The caps in force: settings and environment win over what was set while the server ran."""

    def __init__(self, config: AppConfig, database: Database, facts: Mapping[str, str]) -> None:
        self._database = database
        self._fixed = {name for name in NAMES if name in config.model_fields_set}
        stored = {n: orjson.loads(facts[FACT_PREFIX + n]) for n in NAMES if FACT_PREFIX + n in facts}
        self._values: dict[str, Decimal | None] = {
            name: getattr(config, name) if name in self._fixed else _decimal(stored.get(name)) for name in NAMES
        }

    def in_force(self) -> dict[str, str | None]:
        """Each setting as decimal text; None: not set."""
        return {name: None if value is None else str(value) for name, value in self._values.items()}

    async def change(self, changes: Mapping[str, Decimal | None]) -> None:
        """Put changes in force and keep them. One round trip.

        Raises:
            Conflict: the setting comes from `invokeai.yaml` or the environment.
            InvalidInput: an amount that is no cap.
        """
        for name, value in changes.items():
            if name in self._fixed:
                raise Conflict(f"{name} is set in invokeai.yaml or the environment; change it there.")
            if value is not None and not (value.is_finite() and 0 <= value <= LARGEST):
                raise InvalidInput(f"{name} is an amount from 0 to {LARGEST:,} {CURRENCY}.")
        texts = {name: None if value is None else str(value) for name, value in changes.items()}
        await self._database.batch(
            [fact_statement(FACT_PREFIX + n, orjson.dumps(text).decode()) for n, text in texts.items()]
        )
        self._values.update(changes)

    def hold(self, estimate: Cost | None, images: int) -> Hold:
        """What a call of that estimate must find room for.

        Raises:
            SpendCapReached: there is a cap, and nobody can tell what the call would cost.
        """
        cap, user_cap = micros(self._values["daily_spend_cap"]), micros(self._values["daily_spend_cap_per_user"])
        known = micros(estimate.amount) if estimate and estimate.currency == CURRENCY else None
        if known is None:
            assumed = micros(self._values["assumed_image_cost"])
            known = None if assumed is None else assumed * images
        if known is None and (cap is not None or user_cap is not None):
            raise SpendCapReached(
                "This server has a cap on spending, and nobody can tell what this call would cost, so it was not sent. "
                f"Set assumed_image_cost ({CURRENCY} a picture) to allow models without a known price."
            )
        return Hold(today(), known or 0, cap, user_cap)

    async def refusal(self, hold: Hold, user_id: str) -> SpendCapReached:
        """What to say to a call that found no room. One round trip."""
        row = await self._database.fetch_one(HELD, user_id, hold.day)
        everyone, own = (int(str(row[name]).split(".")[0]) if row else 0 for name in ("everyone", "own"))
        for words, cap, held in (("your day", hold.user_cap, own), ("the server's day", hold.cap, everyone)):
            if cap is not None and held + hold.micros > cap:
                return SpendCapReached(
                    f"The cap on {words} is {amount_text(cap)} {CURRENCY}: {amount_text(held)} {CURRENCY} are spent or "
                    f"held, and this call would cost about {amount_text(hold.micros)} {CURRENCY}. Nothing was sent. It "
                    "starts anew at 00:00 UTC, or an administrator raises the cap."
                )
        return SpendCapReached("The day's cap on spending left no room for this call. Nothing was sent.")


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
