"""Prints what the tests of the image have measured."""

from typing import Any

from container.engine import FIGURES


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A line a figure, after the tests."""
    for figure in FIGURES:
        terminalreporter.write_line(figure)
