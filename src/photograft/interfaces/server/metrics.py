"""What Prometheus reads: the server's counts in its text format."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from photograft._version import __version__
from photograft.workflows.serving.figures import SECONDS, Histogram, ModelFigures

if TYPE_CHECKING:
    from photograft.workflows.serve import Service

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]


class HttpFigures:
    """Requests.

    Attributes:
        in_flight: Under way now.
        requests: Answered, by route and status.
        seconds: From head to answer, by route.
        num_connections: Open now; the server sets it.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self.num_connections = 0
        self.requests: dict[tuple[str, int], int] = {}
        self.seconds: dict[str, Histogram] = {}

    def add(self, route: str, status: int, seconds: float) -> None:
        """Count a request; of status 0 where the client left before its answer."""
        self.requests[route, status] = self.requests.get((route, status), 0) + 1
        self.seconds.setdefault(route, Histogram(SECONDS)).add(seconds)


def metrics_text(service: Service, figures: HttpFigures) -> str:
    """Return all counts."""
    return "".join(line + "\n" for line in _lines(service, figures))


def _lines(service: Service, figures: HttpFigures) -> Iterator[str]:
    yield from _family(
        "photograft_requests_total",
        "counter",
        "Requests by route and status; status 0 left before its answer.",
        (
            ({"route": route, "status": str(status)}, count)
            for (route, status), count in sorted(figures.requests.items())
        ),
    )
    yield from _histograms(
        "photograft_request_seconds",
        "From a request's head to its answer.",
        (({"route": route}, found) for route, found in sorted(figures.seconds.items())),
    )
    for name, text, value in (
        ("requests_in_flight", "Requests under way.", figures.in_flight),
        ("connections", "Connections that are open.", figures.num_connections),
        ("queue_photos", "Photos that are decoded, wait or are answered.", service.num_waiting),
        ("queue_max_photos", "Photos for which there is room.", service.limits.max_queue),
        ("ready", "1 where a photo would be answered now.", int(service.is_ready)),
    ):
        yield from _family(f"photograft_{name}", "gauge", text, [({}, value)])
    yield from _of_models([(m.model.name, m.figures) for m in service.models.all()])
    yield from _family(
        "photograft_classifier_info",
        "gauge",
        "The classifiers that answer.",
        (
            (
                {
                    "classifier": served.model.name,
                    "digest": served.model.digest,
                    "engine": served.model.engine,
                    "photograft": __version__,
                },
                1,
            )
            for served in service.models.all()
        ),
    )
    yield from _process()


def _of_models(models: list[tuple[str, ModelFigures]]) -> Iterator[str]:
    yield from _family(
        "photograft_decisions_total",
        "counter",
        "Photos by what was decided: class, unknown, unsure or unreadable.",
        (
            ({"classifier": name, "decision": decision}, count)
            for name, found in models
            for decision, count in sorted(found.decisions.items())
        ),
    )
    for attribute, name, text in (
        ("batches", "batch_photos", "Photos that were answered together."),
        ("decode_seconds", "decode_seconds", "From a photo's arrival until it is decoded."),
        ("wait_seconds", "wait_seconds", "From then until its batch begins."),
        ("batch_seconds", "batch_seconds", "A batch in the network and the head."),
    ):
        yield from _histograms(
            f"photograft_{name}",
            text,
            (({"classifier": model}, getattr(found, attribute)) for model, found in models),
        )
    for attribute, text in (
        ("loads", "How often a classifier was loaded."),
        ("failed_loads", "How often a changed one could not be."),
    ):
        yield from _family(
            f"photograft_{attribute}_total",
            "counter",
            text,
            (({"classifier": model}, getattr(found, attribute)) for model, found in models),
        )


def _process() -> Iterator[str]:
    used = os.times()
    seconds = used.user + used.system
    yield from _family(
        "process_cpu_seconds_total", "counter", "Of all cores, without decoders.", [({}, seconds)]
    )
    with suppress(OSError, ValueError, IndexError), open("/proc/self/statm", "rb") as file:
        size = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        yield from _family(
            "process_resident_memory_bytes", "gauge", "Without decoders.", [({}, size)]
        )
    yield from _family("photograft_time_seconds", "gauge", "Now.", [({}, time.time())])


def _family(
    name: str, kind: str, text: str, samples: Iterable[tuple[Labels, float]]
) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield f"{name}{_shown(labels)} {value}"


def _histograms(name: str, text: str, samples: Iterable[tuple[Labels, Histogram]]) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} histogram"
    for labels, found in samples:
        below = 0
        for bound, count in zip((*found.bounds, "+Inf"), found.counts, strict=True):
            below += count
            yield f"{name}_bucket{_shown({**labels, 'le': str(bound)})} {below}"
        yield f"{name}_sum{_shown(labels)} {found.sum}"
        yield f"{name}_count{_shown(labels)} {below}"


def _shown(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
