"""Start one simulator and print how the studio is pointed at it."""

import argparse
import importlib
import inspect
import pkgutil
import signal
from collections.abc import Iterator

import tests.simulators as package
from tests.simulators.simulator import Simulator

NO_SERVICES = ("__main__", "simulator", "wrangler")
"""Modules beside this file that simulate no picture service."""


def simulators() -> Iterator[type[Simulator]]:
    """Every simulator beside this file."""
    for module in pkgutil.iter_modules(package.__path__):
        if module.name in NO_SERVICES:
            continue
        for value in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values():
            if inspect.isclass(value) and issubclass(value, Simulator) and value.__dict__.get("name"):
                yield value


def main() -> None:
    """Serve until interrupted."""
    classes = {simulator.name: simulator for simulator in simulators()}
    parser = argparse.ArgumentParser(prog="python -m tests.simulators", description=__doc__)
    parser.add_argument("name", choices=sorted(classes))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=2.0, help="seconds that a generation takes")
    arguments = parser.parse_args()
    simulator = classes[arguments.name]()
    simulator.latency = arguments.latency
    simulator.start(arguments.port)
    print(f"{simulator.name} at {simulator.base_url}, key {simulator.key}. Start the studio with:")
    print(f"""  INVOKEAI_PROVIDER_BASE_URLS='{{"{simulator.name}": "{simulator.base_url}"}}' \\""")
    print(f"""  INVOKEAI_PROVIDER_KEYS='{{"{simulator.name}": "{simulator.key}"}}' make run""", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    simulator.stop()
    for job in simulator.ledger:
        print(f"billed {job.amount} USD for {job.pictures} pictures: {job.job_id}")


if __name__ == "__main__":
    main()
