"""What an alert and a recorded series are, and how an expression names our metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from streams.errors import CRITICAL, RUNBOOKS, ErrorCode
from streams.monitoring.options import Options

Declared = Counter | Gauge | Histogram


@dataclass(frozen=True)
class Recording:
    """A series that is computed ahead."""

    name: str
    expr: str

    def rule(self, _: Options) -> dict[str, Any]:
        """As Prometheus reads it."""
        return {"record": self.name, "expr": self.expr}


@dataclass(frozen=True)
class Alert:
    """What to be told of.

    `page`: the runbook's, by its file's name. `role`: whose it is, where the expression has no such label: by
    it alerts are grouped and inhibited. `for_seconds`: how long it has to last; `keep_seconds`: how long it
    goes on firing once it is over. `command`: what shows more than labels may hold, such as cities.
    """

    name: str
    severity: str
    expr: str
    page: str
    summary: str
    for_seconds: float = 0
    keep_seconds: float = 0
    code: ErrorCode | None = None
    role: str | None = None
    command: str | None = None

    def rule(self, options: Options) -> dict[str, Any]:
        """As Prometheus reads it."""
        labels = {"severity": self.severity}
        if self.code is not None:
            labels["code"] = self.code.name
        if self.role is not None:
            labels["role"] = self.role
        annotations = {"summary": self.summary, "runbook": f"{RUNBOOKS}/{self.page}.md"}
        if self.command is not None:
            annotations["command"] = self.command
        waits = {"for": options.duration(self.for_seconds)} if self.for_seconds else {}
        if self.keep_seconds:
            waits["keep_firing_for"] = options.duration(self.keep_seconds)
        return {"alert": self.name, "expr": self.expr, **waits, "labels": labels, "annotations": annotations}

    @property
    def pages(self) -> bool:
        """Whether somebody is woken."""
        return self.severity == CRITICAL


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated together; `interval_seconds`: how often, None as often as all."""

    name: str
    rules: tuple[Alert | Recording, ...]
    interval_seconds: float | None = field(default=None)

    def group(self, options: Options) -> dict[str, Any]:
        """As Prometheus reads it."""
        often = self.interval_seconds
        interval = {} if often is None else {"interval": options.duration(often)}
        return {"name": self.name, **interval, "rules": [rule.rule(options) for rule in self.rules]}


class Query:
    """Makes selectors of our metrics."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def __call__(self, metric: Declared, *matchers: str, part: str = "", **equal: str) -> str:
        """The series of a metric. `part`: of a histogram `bucket`, `count` or `sum`."""
        return self.named(sample_name(metric, part), *matchers, **equal)

    def named(self, name: str, *matchers: str, **equal: str) -> str:
        """The series of a name, be it ours or Prometheus' own."""
        equals = [f'{label}="{value}"' for label, value in equal.items()]
        return f"{name}{{{','.join([self.options.selector, *matchers, *equals])}}}"

    def window(self, seconds: float) -> str:
        """A range."""
        return f"[{self.options.duration(seconds)}]"

    def grown(self, by: str, metric: Declared, seconds: float) -> str:
        """Where a counter has grown, or was above 0 as its series began, which `increase` does not see."""
        new = f"sum by ({by}) ({self(metric)})"
        old = f"sum by ({by}) ({self(metric)} offset {self.options.duration(seconds)})"
        return (
            f"sum by ({by}) (increase({self(metric)}{self.window(seconds)})) > 0 or ({new} > 0 unless {old})"
        )


def sample_name(metric: Declared, part: str = "") -> str:
    """The name of a metric's samples."""
    (family,) = metric.describe()
    return f"{family.name}_{part}" if part else family.name + ("_total" if family.type == "counter" else "")


def role_of_group(expr: str) -> str:
    """With the role whose consumer group it is as a label, whatever SLUICE_PREFIX."""
    return f'label_replace({expr}, "role", "$1", "group", ".*sluice-(.+)")'
