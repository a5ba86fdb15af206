"""The wire of Cloudflare D1: REST JSON over any base URL (public API, the container's own Worker, the local gateway).

Source: Cloudflare's D1 REST API (`POST /client/v4/accounts/{account}/d1/database/{id}/query`) and its list of errors
that may be retried. Invariants: a token never stands in an error; only the documented texts are tried again, all other
failures surface at once.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from invokeai.app.services.shared.database.base import (
    DatabaseConflict,
    DatabaseError,
    DatabaseRejected,
    DatabaseUnavailable,
    SqlValue,
    Statement,
)

if TYPE_CHECKING:
    import aiohttp

ATTEMPTS = 4
KEPT_SECONDS = 4.0
"""How long an idle connection is kept. workerd closes it after 5 s, and a write that meets that end is in doubt."""
CONNECT_SECONDS = 3.0
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0

TRY_AGAIN = (
    "Network connection lost",
    "storage caused object to be reset",
    "reset because its code was updated",
    "Cannot resolve D1 DB due to transient issue",
)
OVERLOADED = ("D1 DB is overloaded", "Requests queued for too long", "Too many requests queued")
CONSTRAINTS = (
    "UNIQUE constraint failed",
    "FOREIGN KEY constraint failed",
    "CHECK constraint failed",
    "NOT NULL constraint failed",
)


@dataclass(frozen=True, slots=True)
class D1Settings:
    """Where a D1 database answers. `token` is None behind the container's own Worker."""

    base_url: str
    account_id: str
    database_id: str
    token: str | None = None
    max_connections: int = 16
    timeout_seconds: float = 30.0

    @property
    def query_url(self) -> str:
        """Address of the query call."""
        return f"{self.base_url.rstrip('/')}/client/v4/accounts/{self.account_id}/d1/database/{self.database_id}/query"


class _TryAgain(Exception):
    """The failure is one of those that D1 documents as safe to repeat."""

    def __init__(self, error: DatabaseError, wait_seconds: float | None = None) -> None:
        self.error = error
        self.wait_seconds = wait_seconds


class D1Client:
    """Keeps connections alive to one D1 database. One event loop."""

    def __init__(self, settings: D1Settings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self.bookmark: str | None = None
        """The newest state this client has seen; sent along, so that reads never go back in time."""

    async def query(self, statements: Sequence[Statement]) -> list[dict[str, Any]]:
        """The result object of each statement; all of them are one transaction.

        Raises:
            DatabaseConflict: a constraint refused the write.
            DatabaseRejected: the statement, the token or the database id is wrong.
            DatabaseUnavailable: no usable answer, also after the retries that D1 allows.
        """
        queries = [
            {"sql": statement.sql, "params": [_bound(value) for value in statement.params]} for statement in statements
        ]
        body = orjson.dumps(queries[0] if len(queries) == 1 else {"batch": queries})
        wait = FIRST_WAIT_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._send(body)
            except _TryAgain as again:
                if attempt == ATTEMPTS:
                    raise again.error from None
                pause = again.wait_seconds if again.wait_seconds is not None else wait * random.uniform(0.5, 1.5)
                await asyncio.sleep(min(pause, LONGEST_WAIT_SECONDS))
                wait *= 3
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, body: bytes) -> list[dict[str, Any]]:
        import aiohttp

        headers = {"x-d1-bookmark": self.bookmark} if self.bookmark else {}
        try:
            async with self._connected().post(self._settings.query_url, data=body, headers=headers) as response:
                content = await response.read()
                status, answered = response.status, response.headers
        except aiohttp.ClientConnectorError as error:
            raise _unreachable(self._settings.base_url, error.strerror or "refused") from None
        except aiohttp.ConnectionTimeoutError:
            raise _unreachable(self._settings.base_url, "no connection in time") from None
        except aiohttp.InvalidURL:
            raise _unreachable(self._settings.base_url, "this is no address") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = (
                "gave no answer in time"
                if isinstance(error, TimeoutError)
                else f"cut the connection ({type(error).__name__})"
            )
            raise DatabaseUnavailable(f"D1 {reason}; the last change may or may not be saved.") from None
        result = _results(status, content, answered)
        self.bookmark = answered.get("x-d1-bookmark") or self.bookmark
        return result

    def _connected(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._session is None:
            headers = {"content-type": "application/json"}
            if self._settings.token:
                headers["authorization"] = f"Bearer {self._settings.token}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._settings.max_connections, keepalive_timeout=KEPT_SECONDS),
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout_seconds, sock_connect=CONNECT_SECONDS),
                headers=headers,
            )
        return self._session


def _unreachable(base_url: str, reason: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"D1 at {base_url} cannot be reached ({reason}): check `d1_base_url`.")


def _bound(value: SqlValue) -> Any:
    """A parameter as JSON carries it: bytes as a list of numbers, which D1 binds as a BLOB."""
    return list(value) if isinstance(value, bytes) else value


def _results(status: int, content: bytes, headers: Mapping[str, str]) -> list[dict[str, Any]]:
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        if status == 429:
            raise _TryAgain(DatabaseUnavailable("D1 is over its rate limit."), _hint(headers))
        raise DatabaseUnavailable(f"D1 answered HTTP {status} with something that is not JSON.")
    results = answer.get("result")
    if status == 200 and answer.get("success") and isinstance(results, list) and all(r.get("success") for r in results):
        return results
    faults = answer.get("errors") or [{}]
    raise _fault(status, int(faults[0].get("code") or 0), str(faults[0].get("message") or "no reason given"), headers)


def _fault(status: int, code: int, message: str, headers: Mapping[str, str]) -> Exception:
    """The port's error for a refusal; 7500 is the code of every SQL error, only its text tells them apart."""
    if any(text in message for text in CONSTRAINTS):
        return DatabaseConflict(f"The record conflicts with another one: {message}.")
    if status == 429:
        return _TryAgain(DatabaseUnavailable(f"D1 is over its rate limit: {message}."), _hint(headers))
    if any(text in message for text in TRY_AGAIN + OVERLOADED):
        return _TryAgain(DatabaseUnavailable(f"D1 does not answer: {message}."))
    if code == 10000 or status in (401, 403):
        return DatabaseRejected("D1 refused the token: check `d1_api_token` (permission D1 Edit).")
    if code == 7404:
        return DatabaseRejected(f"D1 has no such database: check `d1_database_id` and `d1_account_id`. {message}.")
    if status == 404:
        return DatabaseRejected(f"Nothing speaks D1 at this address: check `d1_base_url`. {message}.")
    if status == 400:
        return DatabaseRejected(f"D1 refused the statement: {message}.")
    return DatabaseUnavailable(f"D1 failed with HTTP {status}: {message}.")


def _hint(headers: Mapping[str, str]) -> float | None:
    """Seconds that a 429 asks to wait, where it says so."""
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        return None
