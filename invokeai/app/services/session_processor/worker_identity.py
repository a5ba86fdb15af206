"""Who holds an item: host, process and start of a worker, so that a dead one is known before its leases run out."""

from __future__ import annotations

import os
import socket
import uuid


def new_worker_id() -> str:
    """An id for a worker of this process, never used before."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


def is_dead(worker_id: str) -> bool:
    """Whether the worker surely does not live any more: its process on this host is gone, or is now this one.

    Ask only before this process has a worker of its own.
    """
    host, _, rest = worker_id.partition("/")
    pid = rest.partition("/")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
