"""One log line, one JSON object, with the ids of the work that wrote it."""

import asyncio
import json
import logging
from typing import Any

from invokeai.app.services.shared.json_logs import JsonLines, logged_with


class Lines(logging.Handler):
    """Formats as the server does, then keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def logger_and_lines() -> tuple[logging.Logger, Lines]:
    logger, lines = logging.Logger("a.part"), Lines()
    logger.addHandler(lines)
    return logger, lines


def parsed(lines: Lines) -> list[dict[str, Any]]:
    assert all("\n" not in line for line in lines.lines)
    return [json.loads(line) for line in lines.lines]


def test_a_line_is_an_object_with_time_level_and_message() -> None:
    logger, lines = logger_and_lines()
    logger.warning("two\nlines, “quotes” and %s", b"bytes \xff")
    (line,) = parsed(lines)
    assert line.pop("time").endswith("+00:00")
    message = "two\nlines, “quotes” and b'bytes \\xff'"
    assert line == {"level": "warning", "logger": "a.part", "message": message}


def test_text_that_is_no_unicode_does_not_lose_the_line() -> None:
    logger, lines = logger_and_lines()
    logger.error("a lone half of a pair: \ud800")
    assert parsed(lines)[0]["message"].startswith("a lone half")


def test_a_fault_has_its_traceback() -> None:
    logger, lines = logger_and_lines()
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("A part failed")
    (line,) = parsed(lines)
    assert line["error"].startswith("Traceback") and "ValueError: broken" in line["error"]


async def test_facts_belong_to_the_work_that_wrote_the_line() -> None:
    logger, lines = logger_and_lines()

    async def work(receipt: str) -> None:
        with logged_with(receipt_id=receipt):
            await asyncio.sleep(0)
            logger.info("called", extra={"facts": {"status": 200}})

    with logged_with(request_id="r"):
        await asyncio.gather(work("1"), work("2"))
    logger.info("after")
    found = [{key: line.get(key) for key in ("request_id", "receipt_id", "status")} for line in parsed(lines)]
    assert found == [
        {"request_id": "r", "receipt_id": "1", "status": 200},
        {"request_id": "r", "receipt_id": "2", "status": 200},
        {"request_id": None, "receipt_id": None, "status": None},
    ]
