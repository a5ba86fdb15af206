"""What goes on after a cancel: a call that has left may be billed all the same, so its pictures are fetched and stored.

A call that has not left is given up, and no further one begins. Where the user canceled, a provider that can take a job
back is told so, and what it says of the job then is how the call ends.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

from invokeai.app.services.shared.invocation_scope import CancelFlag

logger = logging.getLogger(__name__)

T = TypeVar("T")


class PaidWork:
    """The calls of one node run, or of one request: whether one is on the way, and whether nobody waits any more."""

    def __init__(self) -> None:
        self.on_the_way = False
        self.canceled = False
        self.unwanted = asyncio.Event()
        """By the user: not only this server gives it up."""

    def check(self) -> None:
        """Return where another call may begin. Raises CancelledError."""
        if self.canceled:
            raise asyncio.CancelledError


_current: ContextVar[PaidWork | None] = ContextVar("paid_work", default=None)
_going_on: set[asyncio.Task[Any]] = set()


def current_work() -> PaidWork:
    """The paid work that this task belongs to; one of its own where nobody cares."""
    return _current.get() or PaidWork()


async def see_through(work: Coroutine[Any, Any, T], cancel: CancelFlag | None = None) -> T:
    """The outcome of `work`. When the caller is canceled, `work` goes on by itself as long as a call is on the way.

    `cancel` tells whether that was for good; None: it never is.
    """
    state = PaidWork()
    token = _current.set(state)
    task = asyncio.create_task(work)  # with a copy of this context
    _current.reset(token)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        state.canceled = True
        if cancel and cancel.for_good:
            state.unwanted.set()
        if not state.on_the_way:
            task.cancel()
        else:
            logger.info("A canceled call may be billed all the same; its pictures are stored when they come")
            _going_on.add(task)
            task.add_done_callback(_leave)
        raise


async def wait_for_paid_work(seconds: float) -> None:
    """Let what goes on end, for at most so long; after a restart the provider is asked for the rest."""
    if _going_on:
        await asyncio.wait(set(_going_on), timeout=seconds)


def _leave(task: asyncio.Task[Any]) -> None:
    _going_on.discard(task)
    if not task.cancelled() and (error := task.exception()):
        logger.warning("A canceled call ended without pictures: %s", error)
