"""The objective of freshness, and how fast its budget may be spent.

A minute is stale if less than 99 % of its events were in the views in time, if an unread record is older than
that, or if no views worker runs, of which no histogram tells. Stale minutes are counted over several windows;
an alert looks at a long one, so that it matters, and at a short one, so that it ends when that has.
"""

from __future__ import annotations

from typing import NamedTuple

from streams import metrics
from streams.errors import CRITICAL, WARNING, ErrorCode
from streams.monitoring.rule import Alert, Group, Query, Recording

MINUTE, HOUR, DAY = 60, 3600, 86400
STALE = "sluice:stale_minute"
P99 = "sluice:event_to_view_seconds:p99_5m"
VIEWS = 'group=~".*sluice-views"'


class Burn(NamedTuple):
    """Spending the budget so many times as fast as would use it up in 30 days."""

    alert: str
    severity: str
    factor: float
    long_seconds: int
    short_seconds: int


BURNS = (
    Burn("SluiceFreshnessBurnsFast", CRITICAL, 14.4, HOUR, 5 * MINUTE),
    Burn("SluiceFreshnessBurns", CRITICAL, 6, 6 * HOUR, 30 * MINUTE),
    Burn("SluiceFreshnessBudget", WARNING, 1, 3 * DAY, 6 * HOUR),
)


def freshness(query: Query) -> Group:
    """The group; it is evaluated once a minute, as it counts minutes."""
    windows = sorted({seconds for burn in BURNS for seconds in (burn.long_seconds, burn.short_seconds)})
    recorded = [Recording(_share(seconds), _counted(query, seconds)) for seconds in windows]
    quantile = f"sum by (le) (rate({query(metrics.EVENT_TO_VIEW, part='bucket')}{query.window(5 * MINUTE)}))"
    return Group(
        "sluice-freshness",
        (
            Recording(P99, f"histogram_quantile(0.99, {quantile})"),
            Recording(STALE, _stale(query)),
            *recorded,
            *(_alert(query, burn) for burn in BURNS),
        ),
        interval_seconds=MINUTE,
    )


def _stale(query: Query) -> str:
    seconds = query.options.freshness_seconds
    window = query.window(MINUTE)
    timely = query(metrics.EVENT_TO_VIEW, le=str(seconds), part="bucket")
    every = query(metrics.EVENT_TO_VIEW, part="count")
    causes = (
        f"sum(increase({timely}{window})) < 0.99 * sum(increase({every}{window}))",
        f"max({query(metrics.LAG_SECONDS, VIEWS)}) > {seconds:g}",
        f"absent({query.named('up', role='views')} == 1)",
    )
    return f"count({' or '.join(causes)}) or vector(0)"


def _counted(query: Query, seconds: int) -> str:
    """Minutes that Prometheus has not seen count as good: it has alerts of its own."""
    return f"sum_over_time({STALE}{query.window(seconds)}) / {seconds // MINUTE}"


def _share(seconds: int) -> str:
    unit, size = ("d", DAY) if seconds >= DAY else ("h", HOUR) if seconds >= HOUR else ("m", MINUTE)
    return f"{STALE}:share_{seconds // size}{unit}"


def _alert(query: Query, burn: Burn) -> Alert:
    limit = float((1 - query.options.freshness_objective) * 100) * burn.factor / 100
    expr = f"{_share(burn.long_seconds)} > {limit:.6g} and {_share(burn.short_seconds)} > {limit:.6g}"
    if burn.severity == CRITICAL:
        least = (query.options.burn_least_minutes - 0.5) / (burn.long_seconds / MINUTE)
        expr += f" and {_share(burn.long_seconds)} > {least:.6g}"
    long = query.options.duration(burn.long_seconds)
    return Alert(
        burn.alert,
        burn.severity,
        expr,
        page="pipeline-lag",
        summary=f"{{{{ $value | humanizePercentage }}}} of the minutes of {long} were stale: the budget of"
        f" {query.options.freshness_objective} is spent {burn.factor:g} times as fast as it lasts",
        code=ErrorCode.PIPELINE_LAG_EXCEEDED,
        role="views",
    )
