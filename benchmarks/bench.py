"""What one benchmark run shares: the contestants, a scratch folder, and the order in which they take turns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Figure
from benchmarks.servers import Contestant, Running, started


@dataclass(frozen=True)
class Bench:
    """One invocation of the benchmarks.

    Attributes:
        contestants: one server, or two to be compared.
        folder: scratch folder; removed at the end.
        runs: how often each figure is taken.
        scale: 1 for the published sizes; smaller for a quick look.
    """

    contestants: Sequence[Contestant]
    folder: Path
    runs: int
    scale: float = 1.0

    def root(self, contestant: Contestant, purpose: str) -> Path:
        """Root folder of that server for that purpose; the same one every time."""
        return self.folder / purpose / ("ours" if contestant.is_ours else "peer")

    def count(self, full: int) -> int:
        """A size after scaling, at least 2."""
        return max(2, round(full * self.scale))

    @contextmanager
    def all_started(self, purpose: str, environment: Mapping[str, str] | None = None) -> Iterator[list[Running]]:
        """Every contestant running at the same time; an idle one waits while the other is measured."""
        with ExitStack() as stack:
            yield [
                stack.enter_context(started(contestant, self.root(contestant, purpose), environment))
                for contestant in self.contestants
            ]

    def take_turns(self, servers: Sequence[Running], measure: Callable[[Running], Mapping[Figure, float]]) -> None:
        """Measure each server once, and that `runs` times over."""
        for _ in range(self.runs):
            for server in servers:
                for figure, value in measure(server).items():
                    figure.add(server.name, value)
                    print(f"  {server.name}: {figure.title} {value:.4g} {figure.unit}", flush=True)
