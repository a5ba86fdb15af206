"""A provider's answer over HTTP, whole, and the two ways in which none comes.

A packed answer holds all that its pictures and cost are read from, so a paid call can be finished after a restart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time
from typing import IO, Any

import orjson

from invokeai.app.services.image_providers.picture_places import WaitingBytes

KEPT_HEADERS = (
    "content-type",
    "x-request-id",
    "request-id",
    "cf-ray",
    "cf-ai-neurons",
    "finish-reason",
    "seed",
    "date",
)


def json_in(text: bytes | str) -> Any:
    """The value in a JSON text, which may hold whole pictures: by orjson, in a sixth of the time; what that refuses and
    the standard library reads (NaN, half a surrogate pair, a byte order mark) is read too.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("it is nested too deep") from None


class NotSent(Exception):
    """No connection came about, so no byte of the request has left."""


class AnswerLost(Exception):
    """The request may have left, but no whole answer came."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """What is sent. `path` lies below the base URL, or is an address on the provider's own hosts.

    One of `json`, `form` (multipart: text fields) with `files` (name, file name, bytes, media type), or none.
    """

    method: str
    path: str
    json: Any = None
    form: dict[str, str] | None = None
    files: tuple[tuple[str, str, bytes, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer. Header names are lower case."""

    status: int
    headers: dict[str, str]
    content: bytes | WaitingBytes

    @property
    def body(self) -> bytes:
        """What came; a large one is read anew each time."""
        return self.content if isinstance(self.content, bytes) else self.content.read()

    @property
    def retry_after(self) -> float | None:
        """The provider's hint to wait, in seconds, whether it is a number or a date."""
        milliseconds, text = self.headers.get("retry-after-ms"), self.headers.get("retry-after", "")
        try:
            if milliseconds:
                return max(0.0, float(milliseconds) / 1000)
            return max(0.0, float(text))
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - time())
        except (TypeError, ValueError):
            return None

    def json(self) -> Any:
        """The body as JSON; an empty dict where it is none."""
        try:
            return json_in(self.body)
        except ValueError:
            return {}

    def pack(self) -> bytes:
        """The answer as one file: a line of JSON (status and the headers that matter), then the body as it came."""
        headers = {name: value for name, value in self.headers.items() if name in KEPT_HEADERS}
        return json.dumps({"status": self.status, "headers": headers}).encode() + b"\n" + self.body

    def packed(self) -> bytes | IO[bytes]:
        """The same, or the file that it lies in already."""
        return self.content.file() or self.pack() if isinstance(self.content, WaitingBytes) else self.pack()

    @classmethod
    def unpack(cls, packed: bytes) -> HttpAnswer:
        """What `pack` made.

        Raises:
            ValueError: it is nothing of the kind.
        """
        head, _, body = packed.partition(b"\n")
        values = json.loads(head)
        return cls(int(values["status"]), dict(values["headers"]), body)
