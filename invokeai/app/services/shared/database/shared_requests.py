"""Statements that wait for each other share a request: opening the UI asks for some forty things at once.

Invariants: statements leave after they were asked for, in that order, so they see every write that was answered before;
what the database refuses fails alone, as a refused batch has changed nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from invokeai.app.services.shared.database.base import DatabaseConflict, DatabaseRejected, Statement

MOST_STATEMENTS = 25
MOST_CHARACTERS = 1_000_000
"""Of parameters in a request that is shared; what is larger goes alone."""

Answer = TypeVar("Answer")


@dataclass(eq=False, slots=True)
class _Group(Generic[Answer]):
    """Statements that leave in one request."""

    statements: list[Statement] = field(default_factory=list)
    characters: int = 0
    answers: "asyncio.Task[Sequence[Answer]] | None" = None


class SharedRequests(Generic[Answer]):
    """Sends statements through `send`, which answers each of them, in at most `at_once` requests. One event loop."""

    def __init__(self, send: Callable[[Sequence[Statement]], Awaitable[Sequence[Answer]]], at_once: int) -> None:
        self._send = send
        self._free = asyncio.Semaphore(at_once)
        self._waiting: _Group[Answer] | None = None

    async def ask(self, statements: Sequence[Statement]) -> Sequence[Answer]:
        """The answers to these statements, which stay together. Raises what `send` raises for them."""
        group = self._group_for(sum(map(_characters, statements)))
        first = len(group.statements)
        group.statements.extend(statements)
        assert group.answers is not None
        try:
            # whoever is canceled leaves the others their answer
            answers = await asyncio.shield(group.answers)
        except (DatabaseRejected, DatabaseConflict):
            if len(group.statements) == len(statements):
                raise
            return await self._send(statements)
        return answers[first : first + len(statements)]

    def _group_for(self, characters: int) -> _Group[Answer]:
        """The group that waits, or a new one when that has no room."""
        group = self._waiting
        if group is None or len(group.statements) >= MOST_STATEMENTS or group.characters + characters > MOST_CHARACTERS:
            group = self._waiting = _Group()
            group.answers = asyncio.create_task(self._leave(group))
            group.answers.add_done_callback(_look)
        group.characters += characters
        return group

    async def _leave(self, group: _Group[Answer]) -> Sequence[Answer]:
        async with self._free:
            if self._waiting is group:
                self._waiting = None
            return await self._send(group.statements)


def _characters(statement: Statement) -> int:
    return sum(len(value) for value in statement.params if isinstance(value, str | bytes))


def _look(task: "asyncio.Task[Sequence[Answer]]") -> None:
    """Take note of a failure that everybody who asked has stopped waiting for."""
    if not task.cancelled():
        task.exception()
