"""Log lines as JSON objects, each with what is known of the work that wrote it.

A line is one object on one line, whatever the message holds. Facts are ids of ours, never a key, a prompt or an
address.
"""

import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

import orjson

LOG_FACTS: ContextVar[Mapping[str, str]] = ContextVar("log_facts", default={})  # noqa: B039 - never changed in place
"""What this task works on: `request_id`, `item_id`, `session_id`, `receipt_id`."""


@contextmanager
def logged_with(**facts: str) -> Iterator[None]:
    """Lines that the block writes, and tasks that it begins, have these facts as well."""
    token = LOG_FACTS.set({**LOG_FACTS.get(), **facts})
    try:
        yield
    finally:
        LOG_FACTS.reset(token)


class JsonLines(logging.Formatter):
    """`{"time", "level", "logger", "message", "error"?, ...facts}`; `extra={"facts": {...}}` adds to one line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **LOG_FACTS.get(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _traceback(*record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode("utf-8")
        except TypeError:  # text that is no Unicode, which json writes as escapes
            return json.dumps(line, default=str)


def _traceback(kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> str:
    return "".join(traceback.format_exception(kind, error, where))
