"""Metrics in the text format of Prometheus, as https://prometheus.io/docs/instrumenting/exposition_formats/ has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agentsd.model import JSON

GAUGE, COUNTER, HISTOGRAM = "gauge", "counter", "histogram"
_IN_LABEL = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})


@dataclass(slots=True)
class Metric:
    """One metric with its samples, each ``(suffix of the name, labels, value)``."""

    name: str
    kind: str
    help: str
    samples: list[tuple[str, dict[str, str], float]] = field(
        default_factory=list[tuple[str, dict[str, str], float]]
    )

    def add(self, value: float, **labels: str) -> Metric:
        """Add a sample; returns the metric itself."""
        self.samples.append(("", labels, value))
        return self

    def add_histogram(
        self, bounds: Iterable[str], within: Sequence[int], total: float, **labels: str
    ) -> None:
        """Add the samples of one histogram. *within* counts for each of *bounds* what is not above it; at last, all."""
        for bound, below in zip((*bounds, "+Inf"), within, strict=True):
            self.samples.append(("_bucket", {**labels, "le": bound}, below))
        self.samples.append(("_sum", labels, total))
        self.samples.append(("_count", labels, within[-1]))

    def to_json(self) -> dict[str, JSON]:
        """As a JSON object."""
        samples = [
            {"name": self.name + suffix, "labels": labels, "value": value}
            for suffix, labels, value in self.samples
        ]
        return {"name": self.name, "type": self.kind, "help": self.help, "samples": samples}


def text_of(metrics: Iterable[Metric]) -> Iterator[str]:
    """The lines of the text format."""
    for metric in metrics:
        yield f"# HELP {metric.name} {metric.help.translate(_IN_HELP)}"
        yield f"# TYPE {metric.name} {metric.kind}"
        for suffix, labels, value in metric.samples:
            yield f"{metric.name}{suffix}{_labels(labels)} {value:.15g}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(_IN_LABEL)}"' for name, value in labels.items()) + "}"
