"""Panels of the pipeline itself: metrics of Prometheus, and the series that rules compute ahead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grafana_foundation_sdk.builders import prometheus, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Panel

from streams import metrics
from streams.monitoring.data_alerts import SHARE
from streams.monitoring.objectives import P99, STALE
from streams.monitoring.process_alerts import PUTS, budget
from streams.monitoring.rule import Declared, Query

PROMETHEUS = DataSourceRef("prometheus", "prometheus")
WINDOW = "[$__rate_interval]"
HEIGHT, THIRD = 8, 8
Lines = tuple[tuple[str, str], ...]
"""Expressions, and how each of their series is called."""


@dataclass(frozen=True)
class Drawn:
    """A panel over time."""

    title: str
    unit: str
    lines: Lines


def rows(query: Query) -> Iterator[tuple[str, list[Builder[Panel]]]]:
    """The rows of the dashboard, each with its panels."""
    for title, drawn in {
        "Freshness": _freshness(query),
        "Reading": _reading(query),
        "Data": _data(query),
        "Bronze": _bronze(query),
        "Processes": _processes(query),
        "HTTP": _http(query),
    }.items():
        yield title, [panel(one) for one in drawn]


def events(query: Query, names: tuple[str, ...]) -> Builder[Panel]:
    """Those of some names, by what became of them."""
    chosen = query(metrics.EVENTS, f'event=~"{"|".join(names)}"')
    lines = ((f"sum by (event, outcome) (rate({chosen}{WINDOW}))", "{{event}} {{outcome}}"),)
    return panel(Drawn("Events a second", "short", lines))


def panel(drawn: Drawn) -> Builder[Panel]:
    """As the SDK makes it."""
    made = timeseries.Panel().title(drawn.title).unit(drawn.unit).datasource(PROMETHEUS)
    made = made.height(HEIGHT).span(THIRD)
    for number, (expr, legend) in enumerate(drawn.lines):
        target = (
            prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(chr(ord("A") + number)).range()
        )
        made = made.with_target(target)
    return made


def _freshness(query: Query) -> list[Drawn]:
    return [
        Drawn("Event to view, by share of events", "s", (
            *_quantiles(query, metrics.EVENT_TO_VIEW),
            (P99, "p99 over 5 min"),
        )),
        Drawn("Stale minutes, of the last …", "percentunit", tuple(
            (f"{STALE}:share_{window}", window) for window in ("5m", "1h", "6h", "3d")
        )),
        Drawn("Age of what views rest on", "s", (
            (f"max by (view) ({query(metrics.VIEW_FRESHNESS)})", "{{view}}"),
        )),
    ]  # fmt: skip


def _reading(query: Query) -> list[Drawn]:
    where = "{{group}} {{topic}}-{{partition}}"
    read = f"sum by (group) (rate({query(metrics.POSITION)}{WINDOW}))"
    return [
        Drawn("Age of the oldest unread record", "s", ((_by_partition(query, metrics.LAG_SECONDS), where),)),
        Drawn("Records behind", "short", ((_by_partition(query, metrics.LAG_RECORDS), where),)),
        Drawn("Records read a second", "short", ((read, "{{group}}"),)),
        Drawn("Checkpoints take", "s", _quantiles(query, metrics.CHECKPOINT)),
        Drawn("Longest recovery that goes on", "s", (
            (f"max by (group) ({query(metrics.RECOVERING)})", "{{group}}"),
        )),
        Drawn("Held in memory", "short", ((f"sum by (kind) ({query(metrics.STATE)})", "{{kind}}"),)),
    ]  # fmt: skip


def _data(query: Query) -> list[Drawn]:
    return [
        Drawn("Events a second", "short", ((_rate(query, metrics.EVENTS, "outcome"), "{{outcome}}"),)),
        Drawn("Bad records a second", "short", ((_rate(query, metrics.QUARANTINE, "reason"), "{{reason}}"),)),
        Drawn("Share of bad records, 10 min", "percentunit", ((SHARE, "bad"),)),
        Drawn("Gates", "short", (
            (f"sum by (gate, state) ({query(metrics.GATES)})", "{{gate}} {{state}}"),
        )),
        Drawn("Since a view was last proved", "s", (
            (f"time() - max by (view) ({query(metrics.AUDIT_SUCCESS)})", "{{view}}"),
        )),
        Drawn("Errors a second", "short", ((_rate(query, metrics.ERRORS, "code"), "{{code}}"),)),
    ]  # fmt: skip


def _bronze(query: Query) -> list[Drawn]:
    return [
        Drawn("Oldest record outside Bronze", "s", ((f"max({query(metrics.BRONZE_OLDEST)})", "age"),)),
        Drawn("Bytes a second", "Bps", ((_rate(query, metrics.BRONZE_BYTES, "kind"), "{{kind}}"),)),
        Drawn("PUT and LIST requests in 30 days, as of the last day", "short", (
            (PUTS, "requests"), (budget(query), "SLUICE_BUDGET_PUTS"),
        )),
    ]  # fmt: skip


def _processes(query: Query) -> list[Drawn]:
    skew = f"max by (role) (abs({query(metrics.CLOCK)} - timestamp({query(metrics.CLOCK)})))"
    memory = f"sum by (role, instance) ({query.named('process_resident_memory_bytes')})"
    cpu = f"sum by (role, instance) (rate({query.named('process_cpu_seconds_total')}{WINDOW}))"
    where = "{{role}} {{instance}}"
    return [
        Drawn("Processes that answer", "short", ((f"sum by (role) ({query.named('up')})", "{{role}}"),)),
        Drawn("Processes that are ready", "short", (
            (f"sum by (role) ({query(metrics.READY)})", "{{role}}"),
        )),
        Drawn("Clocks are off by", "s", ((skew, "{{role}}"),)),
        Drawn("Memory", "bytes", ((memory, where),)),
        Drawn("Cores", "short", ((cpu, where),)),
    ]  # fmt: skip


def _http(query: Query) -> list[Drawn]:
    return [
        Drawn("Answers of the api a second", "short", (
            (_rate(query, metrics.HTTP_REQUESTS, "status"), "{{status}}"),
        )),
        Drawn("Open connections and streams", "short", (
            (f"sum({query(metrics.HTTP_CONNECTIONS)})", "connections"),
            (f"sum({query(metrics.HTTP_STREAMS)})", "streams"),
        )),
        Drawn("Answers of ingest a second", "short", (
            (_rate(query, metrics.INGEST_REQUESTS, "route, status"), "{{route}} {{status}}"),
        )),
    ]  # fmt: skip


def _by_partition(query: Query, metric: Declared) -> str:
    return f"max by (group, topic, partition) ({query(metric)})"


def _rate(query: Query, metric: Declared, by: str) -> str:
    return f"sum by ({by}) (rate({query(metric)}{WINDOW}))"


def _quantiles(query: Query, metric: Declared) -> Lines:
    buckets = f"sum by (le) (rate({query(metric, part='bucket')}{WINDOW}))"
    return tuple((f"histogram_quantile({q}, {buckets})", f"p{q * 100:.0f}") for q in (0.5, 0.99))
