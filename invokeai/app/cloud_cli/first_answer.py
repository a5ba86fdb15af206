"""Asks a studio that was just deployed whether it is well, with patience: a first container takes minutes to start.

Only an answer of the studio itself counts. The access token goes to the studio's own address over https.
"""

import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

from invokeai.app.cloud_cli.wrangler import ToolFailed

READY, ALIVE = "/readyz", "/healthz"
"""Whether the server reaches database and bucket, for whoever has the access token; whether the Worker is there."""
TIMES = 30
"""How often the studio is asked at most."""
ANSWER_SECONDS = 60
SHOWN_CHARACTERS = 300


class _NowhereElse(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like others: followed, it would take the token to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NowhereElse)


def wait_for_answer(address: str, access_token: str | None, patience: float, say: Callable[[str], None]) -> str:
    """Ask until the studio is well or `patience` seconds are over; what else it answers is said as it changes.

    Returns:
        The path that was asked: READY with an access token, else ALIVE.

    Raises:
        ToolFailed: it was not well in all the time; the message has its last answer.
    """
    path = READY if access_token else ALIVE
    end, last = time.monotonic() + patience, ""
    while ails := _what_ails(address + path, access_token):
        if ails != last:
            say(f"  not yet: {ails}")
        if time.monotonic() >= end:
            raise ToolFailed(f"{address}{path} was asked for {patience:g} s. Its last answer: {ails}")
        last = ails
        time.sleep(patience / TIMES)
    return path


def _what_ails(url: str, access_token: str | None) -> str | None:
    """What was answered instead of 200."""
    headers = {"User-Agent": "invokeai-cloud", "Accept": "application/json"}
    if access_token:
        headers["Authorization"] = f"Bearer {access_token}"
    try:
        _OPENER.open(urllib.request.Request(url, headers=headers), timeout=ANSWER_SECONDS).close()
    except HTTPError as error:
        with error:
            is_json = "json" in error.headers.get("Content-Type", "")
            said = " ".join(error.read(SHOWN_CHARACTERS).decode(errors="replace").split()) if is_json else error.reason
        return f"{error.code} {said}"
    except (OSError, HTTPException) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    return None
