"""`python -m benchmarks [names…]`: measure, print the table, write RESULTS.md.

Everything runs on 127.0.0.1 in a scratch folder that is removed at the end.
"""

import argparse
import importlib
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import peer, report
from benchmarks.bench import Bench
from benchmarks.load import require_wrk
from benchmarks.report import Figure
from benchmarks.servers import ours, upstream

NAMES = (
    "start",
    "installed",
    "version",
    "openapi",
    "queue_throughput",
    "generations",
    "gallery",
    "uploads",
    "router_overhead",
    "concurrent_generations",
)
RESULTS = Path(__file__).with_name("RESULTS.md")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare with InvokeAI itself")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="name", help=" ".join(NAMES))
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True, help="measure InvokeAI too")
    parser.add_argument("--ours", action=argparse.BooleanOptionalAction, default=True, help="measure this server")
    parser.add_argument("--python", default=sys.executable, help="interpreter that runs this server")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="below 1: smaller sizes, for a quick look")
    parser.add_argument("--write", type=Path, help=f"where the page goes; {RESULTS.name} for a full run, else nowhere")
    return parser.parse_args()


def main() -> None:
    """Measure what was asked for."""
    options = arguments()
    chosen = options.names or NAMES
    require_wrk()
    contestants = [ours(options.python)] if options.ours else []
    if options.peer:
        peer.install()
        contestants.append(upstream())
    folder = Path(tempfile.mkdtemp(prefix="invokeai-bench-"))
    figures: list[Figure] = []
    notes: list[str] = []
    try:
        bench = Bench(contestants, folder, options.runs, options.scale)
        for name in chosen:
            print(f"{name}", flush=True)
            module = importlib.import_module(f"benchmarks.{name}")
            figures += module.measure(bench)
            notes += module.NOTES
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if figures:
            print(report.table(figures))
    full = tuple(chosen) == NAMES and len(contestants) == 2 and options.scale == 1.0
    target = options.write or (RESULTS if full else None)
    if target:
        command = " ".join(["python -m benchmarks", *sys.argv[1:]])
        target.write_text(report.page(figures, notes, command))
        print(f"written to {target}")


if __name__ == "__main__":
    main()
