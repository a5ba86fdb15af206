"""What a request for pictures is answered when the server ends while it is being made.

No client is told to repeat it: what a provider has begun is waited for and stored, and a second one is paid too.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from invokeai.app.services.shared.errors import Unavailable

SAID = (
    "The server is stopping. It waits a while for pictures that a provider has begun, and stores them: see the gallery "
    "before you ask again, or repeat the request with the same Idempotency-Key, which is never paid for twice."
)


class ServerEnds(Unavailable):
    """The server stops before the pictures are there. HTTP 503 that clients do not repeat."""


@contextmanager
def told_at_the_end() -> Iterator[None]:
    """Around what makes pictures: the server cancels open requests when it ends.

    Raises:
        ServerEnds: in place of CancelledError.
    """
    try:
        yield
    except asyncio.CancelledError:
        raise ServerEnds(SAID) from None
