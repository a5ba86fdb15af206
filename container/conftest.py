"""Prints what the tests of the image have measured."""

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A line for each property `figure` that a test has recorded, after the tests."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(value)
