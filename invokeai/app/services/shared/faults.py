"""Where a fault of what is secondary or foreign ends, so that the work beside it goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import Logger


@contextmanager
def faults_are_logged(logger: Logger, said: str, *facts: object) -> Iterator[None]:
    """Run the block; when it fails, log `said` % `facts` and the fault, and go on after the block."""
    try:
        yield
    except Exception:  # listeners, sockets and plug-ins may raise anything; being canceled is no fault and passes
        logger.exception(said, *facts)
