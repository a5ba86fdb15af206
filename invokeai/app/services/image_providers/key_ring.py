"""Several keys of one provider: the least busy one is used, and one that is refused or spent is set aside for a while.

A provider asks for its key as ever; the key chosen for a call travels with the task that makes the call.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

REFUSED_SECONDS = 900.0
SPENT_SECONDS = 3600.0
LONGEST_COOLING = 3600.0

_in_use: ContextVar[tuple[str, str] | None] = ContextVar("provider_key", default=None)


def key_in_use(provider_id: str) -> str | None:
    """The key chosen for the call that this task makes to that provider."""
    chosen = _in_use.get()
    return chosen[1] if chosen and chosen[0] == provider_id else None


def key_mark(key: str | None) -> str | None:
    """What a receipt calls a key: 24 bits tell a handful of keys apart, and are too few to find one by."""
    return hashlib.sha256(key.encode()).hexdigest()[:6] if key else None


@dataclass(slots=True)
class _KeyState:
    """`free_at`: not used before, where there is another. `cooling_until`: the provider asked to wait until then."""

    in_flight: int = 0
    free_at: float = 0.0
    cooling_until: float = 0.0


@dataclass(slots=True)
class KeyRing:
    """The keys of one provider. `keys_of` is asked at every use; a provider without keys has one nameless place."""

    provider_id: str
    keys_of: Callable[[str], Sequence[str]] = lambda _: ()
    clock: Callable[[], float] = time.monotonic
    _states: dict[str, _KeyState] = field(default_factory=dict, repr=False)

    def in_force(self) -> list[str]:
        """The keys in force; one empty text where there are none."""
        return list(self.keys_of(self.provider_id)) or [""]

    def asked_about(self, mark: str | None) -> list[str]:
        """The keys in force, the one of that mark first."""
        return sorted(self.in_force(), key=lambda key: key_mark(key) != mark)

    def seconds_to_wait(self) -> float:
        """How long the provider still asks to wait; 0 when a request may be sent now."""
        return max(0.0, self._state(self._best()).cooling_until - self.clock())

    def set_aside(self) -> int:
        """How many keys wait for something now."""
        now = self.clock()
        return sum(self._state(key).free_at > now for key in self.in_force())

    @contextmanager
    def use(self) -> Iterator[str]:
        """Take the key that is free and least busy (the one free soonest when none is) for the calls inside."""
        key = self._best()
        with self.use_key(key):
            yield key

    @contextmanager
    def use_key(self, key: str) -> Iterator[None]:
        """Take that key."""
        state = self._state(key)
        state.in_flight += 1
        token = _in_use.set((self.provider_id, key) if key else None)
        try:
            yield
        finally:
            _in_use.reset(token)
            state.in_flight -= 1

    def rest(self, key: str, seconds: float, *, cooling: bool = False) -> bool:
        """Set a key aside, `cooling` at the provider's own wish; whether another one is free now."""
        state, now = self._state(key), self.clock()
        state.free_at = now + min(seconds, LONGEST_COOLING)
        if cooling:
            state.cooling_until = state.free_at
        return any(self._state(other).free_at <= now for other in self.in_force() if other != key)

    def _best(self) -> str:
        now = self.clock()
        return min(self.in_force(), key=lambda k: (max(0.0, self._state(k).free_at - now), self._state(k).in_flight))

    def _state(self, key: str) -> _KeyState:
        return self._states.setdefault(key, _KeyState())
