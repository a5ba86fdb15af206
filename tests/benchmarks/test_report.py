"""A ratio above one always says that ours is better, whichever way the unit points."""

import pytest

from benchmarks.report import Figure, number, table
from benchmarks.servers import OURS, PEER


def test_ratio_of_a_time_is_how_much_shorter_ours_is() -> None:
    figure = Figure("start", "s", budget=1.2, runs={OURS: [0.5, 9.0, 1.0], PEER: [10.0]})
    assert figure.median(OURS) == 1.0
    assert figure.ratio() == 10.0
    assert figure.meets_budget() is True


def test_ratio_of_a_rate_is_how_much_higher_ours_is() -> None:
    figure = Figure("list", "req/s", more_is_better=True, budget=1500, runs={OURS: [1000.0], PEER: [2000.0]})
    assert figure.ratio() == 0.5
    assert figure.meets_budget() is False


def test_a_figure_without_the_peer_has_no_ratio() -> None:
    figure = Figure("start", "s", runs={OURS: [1.0]})
    assert figure.ratio() is None
    assert "| 1 | – | – |" in table([figure])


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.1234, "0.123"), (9.996, "10"), (1.0, "1"), (128.4, "128"), (26520.0, "26,520")]
)
def test_numbers_have_three_significant_digits(value: float | None, text: str) -> None:
    assert number(value) == text
