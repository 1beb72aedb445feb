"""Alerts about the data itself: gates, proofs, bad records, views that are full."""

from __future__ import annotations

from streams import metrics
from streams.errors import CRITICAL, WARNING, ErrorCode
from streams.monitoring.rule import Alert, Group, Query, Recording

MINUTE, HOUR, DAY = 60, 3600, 86400
SHARE = "sluice:quarantine_share:10m"
SILENT_SECONDS = 30
"""Twice as long as what a gate says is valid."""
_GATE = "{{ $labels.gate }}{{ if $labels.currency }} for {{ $labels.currency }}{{ end }}"
_GATE_COMMAND = (
    "sluice gates --gate {{ $labels.gate }}"
    "{{ if $labels.currency }} --currency {{ $labels.currency }}{{ end }}"
)  # cities are no labels: this command shows which


def gates(query: Query) -> Group:
    """Gates that are closed, or that nobody evaluates."""
    worst = f"max by (gate, currency) ({query(metrics.GATE_STATE)})"
    evaluated = f"max({query(metrics.GATES_EVALUATED)})"
    silent = f"time() - {evaluated} > {SILENT_SECONDS} or absent({evaluated})"
    return Group("sluice-gates", (
        Alert(
            "SluiceGateClosed", CRITICAL, f"{worst} == 2", page="gate-alarm", for_seconds=MINUTE,
            role="gates", summary=f"Gate {_GATE} is in alarm", command=_GATE_COMMAND,
            code=ErrorCode.QUALITY_CHECK_FAILED,
        ),
        Alert(
            "SluiceGateStale", CRITICAL, f"{worst} == 3", page="gate-stale", for_seconds=MINUTE, role="gates",
            summary=f"Gate {_GATE} is stale: the views are behind or not reported on", command=_GATE_COMMAND,
            code=ErrorCode.PIPELINE_LAG_EXCEEDED,
        ),
        Alert(
            "SluiceGatesNotEvaluated", CRITICAL, silent, page="gate-stale", for_seconds=MINUTE,
            summary="No process evaluates the gates: their records expire after 15 s, and count as closed",
            role="gates",
            command="sluice gates", code=ErrorCode.PIPELINE_LAG_EXCEEDED,
        ),
    ))  # fmt: skip


def audit(query: Query) -> Group:
    """Views that are wrong, or not known to be right."""
    proved = f"max by (view) ({query(metrics.AUDIT_SUCCESS)})"
    return Group("sluice-audit", (
        Alert(
            "SluiceViewWrong", CRITICAL, f"max by (view) ({query(metrics.AUDIT_DIFFERENCES)}) > 0",
            page="wrong-number", role="audit", code=ErrorCode.QUALITY_CHECK_FAILED,
            summary="{{ $labels.view }} is not what its definition gives over the same records",
            command="sluice verify {{ $labels.view }}",
        ),
        Alert(
            "SluiceViewNotProved", CRITICAL, f"time() - {proved} > {query.options.audit_seconds}",
            page="wrong-number", for_seconds=10 * MINUTE, role="audit", code=ErrorCode.QUALITY_CHECK_FAILED,
            summary="{{ $labels.view }} was last proved to be right {{ $value | humanizeDuration }} ago",
            command="sluice verify {{ $labels.view }}",
        ),
    ))  # fmt: skip


def quarantine(query: Query) -> Group:
    """Bad records."""
    options, window = query.options, query.window(10 * MINUTE)
    bad = query(metrics.EVENTS, outcome="quarantined")
    share = f"sum(rate({bad}{window})) / sum(rate({query(metrics.EVENTS)}{window}))"
    before = f"avg_over_time({SHARE}{query.window(DAY)} offset {options.duration(10 * MINUTE)})"
    unknown = 'reason=~"unknown_event|unknown_version|unknown_schema_id|avro_undecodable"'
    summary = "sluice quarantine summary"
    return Group("sluice-quarantine", (
        Recording(SHARE, share),
        Alert(
            "SluiceQuarantineShare", WARNING, f"{SHARE} > {options.quarantine_share:g}",
            page="poison-flood", for_seconds=5 * MINUTE, role="views", command=summary,
            summary="{{ $value | humanizePercentage }} of the records are bad",
        ),
        Alert(
            "SluiceQuarantineJump", WARNING, page="poison-flood", for_seconds=5 * MINUTE, role="views",
            expr=f"{SHARE} > {options.quarantine_growth:g} * {before}"
            f" and {SHARE} > {options.quarantine_share / 10:g}",
            summary=f"{{{{ $value | humanizePercentage }}}} of the records are bad, more than"
            f" {options.quarantine_growth:g} times the share of the day before", command=summary,
        ),
        Alert(
            "SluiceBreakerTripped", CRITICAL, f"max by (topic, partition) ({query(metrics.BREAKER)}) == 1",
            page="poison-flood", role="views", command=summary, code=ErrorCode.EVENT_ENVELOPE_INVALID,
            summary="So much of {{ $labels.topic }}-{{ $labels.partition }} is bad that all gates are stale",
        ),
        Alert(
            "SluiceSchemaUnknown", WARNING, page="schema-break", for_seconds=10 * MINUTE, role="views",
            expr=f"sum by (reason) (rate({query(metrics.QUARANTINE, unknown)}{window})) > 0",
            summary="Events come that are not in the catalogue: {{ $labels.reason }}",
            code=ErrorCode.EVENT_SCHEMA_INVALID, command="sluice quarantine summary --by source,reason",
        ),
        Alert(
            "SluiceEventsFromFuture", WARNING, page="clock-skew", for_seconds=10 * MINUTE, role="views",
            expr=f"sum(rate({query(metrics.QUARANTINE, reason='in_future')}{window})) > 0",
            summary="A producer's clock is more than 5 min ahead",
            command="sluice quarantine list --reason in_future", code=ErrorCode.EVENT_ENVELOPE_INVALID,
        ),
        Alert(
            "SluiceGroupsFull", WARNING, query.grown("view", metrics.OTHER_GROUPS, HOUR), page="groups-full",
            role="views", summary="{{ $labels.view }} has all its groups, and sums new ones as _other",
            code=ErrorCode.QUALITY_CHECK_FAILED,
        ),
    ))  # fmt: skip
