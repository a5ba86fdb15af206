"""The counters in Prometheus' text format.

Written by hand: the format is one line a value, and the client library would cost 20 ms of the start for it.
"""

from collections.abc import Iterable, Iterator, Mapping

from invokeai.app.services.image_providers.circuit_breaker import CircuitState
from invokeai.app.services.image_providers.image_service_manager import ImageServiceManager

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CIRCUIT = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}

Sample = tuple[Mapping[str, str], float]


def metrics_text(manager: ImageServiceManager) -> str:
    """Every provider's counters since the server started."""
    lines = manager.lines
    counts = {name: line.metrics for name, line in lines.items()}
    one = "invokeai_provider_"
    text = [
        *_metric(one + "requests_total", "counter", "Calls sent.", _by_provider(counts, "requests")),
        *_metric(one + "images_total", "counter", "Pictures received.", _by_provider(counts, "images")),
        *_metric(
            one + "failures_total",
            "counter",
            "Calls that ended without a picture, by kind.",
            [({"provider": p, "kind": k}, n) for p, c in counts.items() for k, n in c.failures.items()],
        ),
        *_metric(one + "answered_seconds_total", "counter", "Time of answered calls.", _by_provider(counts, "seconds")),
        *_metric(one + "in_flight", "gauge", "Calls on their way.", _by_provider(counts, "in_flight")),
        *_metric(one + "waiting", "gauge", "Calls waiting for a lane.", _by_provider(counts, "waiting")),
        *_metric(
            one + "available",
            "gauge",
            "1 when requests can be sent.",
            [({"provider": p}, line.provider.is_available()) for p, line in lines.items()],
        ),
        *_metric(
            one + "circuit",
            "gauge",
            "0 closed, 1 half-open, 2 open.",
            [({"provider": p}, CIRCUIT[line.breaker.state]) for p, line in lines.items()],
        ),
        *_metric(
            one + "keys_set_aside",
            "gauge",
            "Keys that are refused, spent or resting.",
            [({"provider": p}, line.keys.set_aside()) for p, line in lines.items()],
        ),
    ]
    return "\n".join(text) + "\n"


def _by_provider(counts: Mapping[str, object], member: str) -> list[Sample]:
    return [({"provider": name}, getattr(count, member)) for name, count in counts.items()]


def _metric(name: str, kind: str, words: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{inner}}} {float(value):.9g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
