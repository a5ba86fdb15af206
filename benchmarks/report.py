"""Figures: medians, ratios, and the page they are written to.

A figure keeps every run; the table shows medians only, and a ratio above 1 always means that ours is better.
"""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.servers import OURS, PEER


@dataclass(eq=False)
class Figure:
    """One line of the table.

    Attributes:
        title: what is measured.
        unit: of every value.
        more_is_better: true for rates.
        budget: what ours should reach, in `unit`; None where no target is set.
        runs: contestant's name to one value a run.
    """

    title: str
    unit: str
    more_is_better: bool = False
    budget: float | None = None
    runs: dict[str, list[float]] = field(default_factory=dict)

    def add(self, contestant: str, value: float) -> None:
        """Keep the value of one run."""
        self.runs.setdefault(contestant, []).append(value)

    def median(self, contestant: str) -> float | None:
        """Median over the runs; None when it was not measured."""
        values = self.runs.get(contestant)
        return statistics.median(values) if values else None

    def ratio(self) -> float | None:
        """How many times better ours is."""
        mine, other = self.median(OURS), self.median(PEER)
        if not mine or not other:
            return None
        return mine / other if self.more_is_better else other / mine

    def meets_budget(self) -> bool | None:
        """Whether our median is inside the budget; None without one."""
        mine = self.median(OURS)
        if mine is None or self.budget is None:
            return None
        return mine >= self.budget if self.more_is_better else mine <= self.budget


def number(value: float | None) -> str:
    """Three significant digits, thousands separated; a dash for None."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [
        f"| figure | {OURS} | {PEER} | times better | target | runs |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for figure in figures:
        met = figure.meets_budget()
        target = "" if figure.budget is None else ("≥ " if figure.more_is_better else "≤ ") + number(figure.budget)
        mark = {True: " ✓", False: " ✗", None: ""}[met]
        counts = "/".join(str(len(figure.runs.get(name, []))) for name in (OURS, PEER))
        ratio = figure.ratio()
        rows.append(
            f"| {figure.title}, {figure.unit} | {number(figure.median(OURS))} | {number(figure.median(PEER))} "
            f"| {number(ratio) + '×' if ratio else '–'} | {target}{mark} | {counts} |"
        )
    return "\n".join(rows)


def spread(figures: Sequence[Figure]) -> str:
    """Lowest and highest run of each figure, as a Markdown table."""
    rows = [f"| figure | {OURS} | {PEER} |", "| --- | --- | --- |"]
    for figure in figures:
        cells = []
        for name in (OURS, PEER):
            values = figure.runs.get(name)
            cells.append(f"{number(min(values))} … {number(max(values))}" if values else "–")
        rows.append(f"| {figure.title}, {figure.unit} | {cells[0]} | {cells[1]} |")
    return "\n".join(rows)


def machine() -> str:
    """CPU, cores, memory, system, Python and date, as Markdown list."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return "\n".join(
        [
            f"- CPU: {model}, {os.cpu_count()} cores",
            f"- memory: {memory:.0f} GiB",
            f"- system: {platform.system()} {platform.release()}, Python {platform.python_version()}",
            f"- date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        ]
    )


def page(figures: Sequence[Figure], notes: Sequence[str], command: str) -> str:
    """The whole of RESULTS.md."""
    remarks = "\n".join(f"- {note}" for note in notes)
    return f"""# Benchmark results

Both servers ran on this machine in the same run, taking turns. Values are medians; "times better" is
the ratio of the medians, above 1 in our favour.

{table(figures)}

## Machine

{machine()}

## How to repeat it

```
{command}
```

## What each figure is

{remarks}

## Lowest and highest run

{spread(figures)}
"""
