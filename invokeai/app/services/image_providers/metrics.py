"""Counters per provider since the server started. Counting is all this does; nothing is decided by it."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class ProviderMetrics:
    """One provider's counters. `seconds` is the sum over answered calls; `failures` by error class."""

    in_flight: int = 0
    waiting: int = 0
    requests: int = 0
    images: int = 0
    seconds: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    last_failure: str | None = None

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
        try:
            yield
        except BaseException as error:
            self.failures[type(error).__name__] += 1
            self.last_failure = str(error) or type(error).__name__
            raise
        else:
            self.seconds += time.monotonic() - started
            self.last_failure = None
        finally:
            self.in_flight -= 1
