"""Counters per provider since the server started. Counting is all this does; nothing is decided by it."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType


@dataclass(slots=True)
class ProviderMetrics:
    """One provider's counters. `seconds` is the sum over answered calls; kinds of failure are error classes.

    The last failure is that of the last call; none where that went well.
    """

    in_flight: int = 0
    waiting: int = 0
    requests: int = 0
    images: int = 0
    seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    last_failure: str | None = None
    last_failure_kind: str | None = None

    def forget_failure(self) -> None:
        """What failed last has been set right, as far as anyone can tell."""
        self.last_failure = self.last_failure_kind = None

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Count one call that waits for a free lane inside the block."""
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count one call that runs inside the block."""
        self.requests += 1
        self.in_flight += 1
        started = time.monotonic()
        with ExitStack() as call:
            call.push(self._ended)
            yield
            self.seconds += time.monotonic() - started

    def _ended(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.in_flight -= 1
        self.last_failure = None if kind is None else str(error) or kind.__name__
        self.last_failure_kind = None if kind is None else kind.__name__
        if kind is not None:
            self.failures[kind.__name__] += 1
