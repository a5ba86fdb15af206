"""Events: what the studio tells its browsers, and the in-process bus that carries them.

An event's `model_dump(mode="json")` is its socket.io payload, exactly as the contract records it.
"""

import logging
import time
from collections.abc import Callable
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from invokeai.app.services.shared.faults import faults_are_logged

logger = logging.getLogger(__name__)


class Event(BaseModel):
    """Base of every event. `timestamp` is in whole seconds since the epoch."""

    model_config = ConfigDict(frozen=True)

    event_name: ClassVar[str]
    room: ClassVar[str] = "queue"
    """Which subscribers get it: `queue` (everyone at the queue), `bulk_download` or `all`."""

    timestamp: int = Field(default_factory=lambda: int(time.time()))


EventHandler = Callable[[Event], None]


class EventService:
    """A bus inside one process. Publish and subscribe from the event loop only."""

    def __init__(self) -> None:
        self._handlers: list[EventHandler] = []

    def subscribe(self, handler: EventHandler) -> Callable[[], None]:
        """Call `handler` for every event from now on; returns the function that ends it. Handlers must not block."""
        self._handlers.append(handler)
        return lambda: self._handlers.remove(handler)

    def publish(self, event: Event) -> None:
        """Hand `event` to every handler, in order of subscription. Never raises."""
        for handler in tuple(self._handlers):
            with faults_are_logged(logger, "A listener failed on %s", event.event_name):
                handler(event)
