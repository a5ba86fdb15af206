"""Asks a studio that was just deployed whether it is well, with patience: a first container takes minutes to start.

Only an answer of the studio itself counts. The access token goes to the studio's own address over https.
"""

import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from invokeai.app.cloud_cli.wrangler import ToolFailed

READY, ALIVE = "/readyz", "/healthz"
"""Whether the server reaches database and bucket, for whoever has the access token; whether the Worker is there."""
TIMES = 30
"""How often the studio is asked at most."""
ANSWER_SECONDS = 60
SHOWN_CHARACTERS = 300


class _AsItCame(urllib.request.HTTPErrorProcessor):
    """Every answer is one, a redirect too: followed, it would take the token to another host."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


_OPENER = urllib.request.build_opener(_AsItCame)


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
    """What was answered instead of 200 in JSON: Pages without its Function answers any path with the web UI's page."""
    headers = {"User-Agent": "invokeai-cloud", "Accept": "application/json"}
    if access_token:
        headers["Authorization"] = f"Bearer {access_token}"
    try:
        with _OPENER.open(urllib.request.Request(url, headers=headers), timeout=ANSWER_SECONDS) as answer:
            is_json = "json" in answer.headers.get("Content-Type", "")
            if answer.status == 200 and is_json:
                return None
            said = " ".join(answer.read(SHOWN_CHARACTERS).decode(errors="replace").split())
            return f"{answer.status} {said if is_json else answer.reason + ', which is not of the studio'}"
    except (OSError, HTTPException) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
