"""A provider that fails again and again is left alone for a while, then tried with one real request.

Nothing is sent to find out how a provider is: no probes, paid or not. Refusals and wrong requests are no failures.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

FAILURES_TO_OPEN = 5
FIRST_PAUSE = 30.0
LONGEST_PAUSE = 300.0


class CircuitState(StrEnum):
    """Closed: requests pass. Open: none does. Half-open: one passes, and decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class CircuitBreaker:
    """One provider's breaker. Pauses double from 30 s to 5 minutes. `clock` is in seconds."""

    clock: Callable[[], float] = time.monotonic
    _failures: int = 0
    _pause: float = FIRST_PAUSE
    _open_until: float | None = None
    _trial: object | None = field(default=None, repr=False)

    @property
    def state(self) -> CircuitState:
        """As it is now."""
        if self._open_until is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self.clock() < self._open_until else CircuitState.HALF_OPEN

    def seconds_to_wait(self) -> float:
        """How long until a request may pass; 0 when one may now."""
        if self.state is CircuitState.OPEN:
            assert self._open_until is not None
            return self._open_until - self.clock()
        return FIRST_PAUSE if self.state is CircuitState.HALF_OPEN and self._trial is not None else 0.0

    def enter(self) -> object | None:
        """Let a request pass that `seconds_to_wait` allows; its ticket goes back with `leave`."""
        ticket = object()
        if self.state is CircuitState.HALF_OPEN:
            self._trial = ticket
        return ticket

    def leave(self, ticket: object | None, *, failed: bool | None) -> None:
        """How the request ended; None: it says nothing about the provider (cancelled, refused, wrong)."""
        is_trial = ticket is not None and ticket is self._trial
        if is_trial:
            self._trial = None
        if failed is False:
            self._failures, self._pause, self._open_until = 0, FIRST_PAUSE, None
        elif failed and is_trial:
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            self._open_until = self.clock() + self._pause
        elif failed and self._open_until is None:
            self._failures += 1
            if self._failures >= FAILURES_TO_OPEN:
                self._open_until = self.clock() + self._pause
