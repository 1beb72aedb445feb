"""Alerts about processes and what they stand on: targets, readiness, clocks, certificates, the store."""

from __future__ import annotations

from prometheus_client import Counter

from streams import metrics
from streams.errors import CRITICAL, WARNING, ErrorCode
from streams.monitoring.rule import Alert, Group, Query, Recording

MINUTE, HOUR, DAY = 60, 3600, 86400
PUTS = "sluice:store_puts:30d"
ONLY_TICKETS = ("audit",)
"""Roles whose absence changes no number, gate or event."""


def processes(query: Query) -> Group:
    """Processes that are gone, restart or are not ready."""
    up, ready = query.named("up"), query(metrics.READY)
    restarts = f"changes({query.named('process_start_time_seconds')}{query.window(30 * MINUTE)})"
    return Group("sluice-processes", (
        Alert(
            "SluiceWorkerDown", CRITICAL, f"{up} == 0", page="worker-down", for_seconds=MINUTE,
            keep_seconds=5 * MINUTE,  # what it inhibits takes a moment to end, too
            summary="{{ $labels.role }} at {{ $labels.instance }} does not answer Prometheus",
        ),
        Alert(
            # Pages for freshness look half an hour back: who was paged for this is not paged again.
            "SluiceViewsInterrupted", WARNING, f"min by (role) ({query.named('up', role='views')}) == 0",
            page="worker-down", for_seconds=MINUTE, keep_seconds=31 * MINUTE,
            summary="Views workers were away: what did it cost of the budget of freshness?",
        ),
        *(
            Alert(
                "SluiceRoleAbsent", WARNING if role in ONLY_TICKETS else CRITICAL, role=role,
                expr=f"absent({query.named('up', role=role)})", page="worker-down", for_seconds=5 * MINUTE,
                summary=f"Prometheus has no target of {role}",
            )
            for role in query.options.roles
        ),
        Alert(
            "SluiceRestarts", WARNING, f"{restarts} > 3", page="worker-down",
            summary="{{ $labels.role }} at {{ $labels.instance }} began anew {{ $value }} times in 30 min",
        ),
        Alert(
            "SluiceNotReady", CRITICAL, f"max by (role) ({ready}) == 0", page="slow-recovery",
            for_seconds=5 * MINUTE, summary="No {{ $labels.role }} is ready", command="sluice doctor",
        ),
        Alert(
            "SluiceNotReady", WARNING, f"min by (role) ({ready}) == 0", page="slow-recovery",
            for_seconds=15 * MINUTE, summary="One {{ $labels.role }} or more are not ready",
            command="sluice doctor",
        ),
        _errors(query, "SluiceApiErrors", metrics.HTTP_REQUESTS, "api", "worker-down"),
        _errors(query, "SluiceIngestErrors", metrics.INGEST_REQUESTS, "ingest", "broker-lost"),
    ))  # fmt: skip


def _errors(query: Query, name: str, requests: Counter, role: str, page: str) -> Alert:
    window, limit = query.window(5 * MINUTE), query.options.http_error_share
    failed = query(requests, 'status=~"5.."')
    return Alert(
        name, CRITICAL, page=page, for_seconds=5 * MINUTE, role=role,
        expr=f"sum(rate({failed}{window})) / sum(rate({query(requests)}{window})) > {limit:g}",
        summary=f"{{{{ $value | humanizePercentage }}}} of the answers of {role} are 5xx",
    )  # fmt: skip


def machines(query: Query) -> Group:
    """Clocks and certificates."""
    options = query.options
    off = f"abs({query(metrics.CLOCK)} - timestamp({query(metrics.CLOCK)}))"
    left = f"min by (setting, role) ({query(metrics.CERTIFICATE_END)}) - time()"
    return Group("sluice-machines", (
        *(
            Alert(
                "SluiceClockSkew", severity, f"{off} > {seconds}", page="clock-skew", for_seconds=2 * MINUTE,
                summary="The clock at {{ $labels.instance }} is {{ $value | humanizeDuration }} off"
                " Prometheus'",
            )
            for severity, seconds in (
                (CRITICAL, options.skew_page_seconds), (WARNING, options.skew_warn_seconds)
            )
        ),
        *(
            Alert(
                "SluiceCertificateEnds", severity, f"{left} < {days} * {DAY}", page="certificates",
                summary="The certificate of {{ $labels.setting }} of {{ $labels.role }} ends in"
                " {{ $value | humanizeDuration }}",
            )
            for severity, days in (
                (CRITICAL, options.certificate_page_days), (WARNING, options.certificate_warn_days)
            )
        ),
    ))  # fmt: skip


def budget(query: Query) -> str:
    """The largest budget of PUT and LIST requests that a worker was given; nothing where none was."""
    return f"max({query(metrics.BUDGET_PUTS)}) > 0"


def store(query: Query) -> Group:
    """What is written to Kafka and to Bronze, and what it costs."""
    options = query.options
    oldest = f"max({query(metrics.BRONZE_OLDEST)})"
    failures = query(metrics.ERRORS, code="EVENT_PUT_FAILED")
    recent, pause = query.window(2 * MINUTE), options.duration(3 * MINUTE)
    puts = query(metrics.STORE_REQUESTS, 'operation=~"put|list"')
    return Group("sluice-store", (
        Recording(PUTS, f"sum(rate({puts}{query.window(DAY)})) * {30 * DAY}"),
        *(
            Alert(
                "SluiceBronzeOld", severity, f"{oldest} > {seconds}", page="bronze-unwritable", role="bronze",
                summary="The oldest record that is not in Bronze is {{ $value | humanizeDuration }} old",
                command="sluice doctor",
            )
            for severity, seconds in (
                (CRITICAL, options.bronze_page_seconds), (WARNING, options.bronze_warn_seconds)
            )
        ),
        Alert(
            # Failures that go on, not one that was mended; retries may be more than a minute apart.
            "SluicePutFailed", CRITICAL, page="bronze-unwritable", code=ErrorCode.EVENT_PUT_FAILED,
            expr=f"sum by (role) (increase({failures}{recent})) > 0"
            f" and sum by (role) (increase({failures}{recent} offset {pause})) > 0",
            summary="Writes of {{ $labels.role }} to Kafka or to Bronze fail after their retries",
            command="sluice doctor",
        ),
        Alert(
            "SluicePutBudget", WARNING, f"{PUTS} > ({budget(query)})", page="spending", role="bronze",
            for_seconds=HOUR, summary="As of the last day, Bronze takes {{ $value | humanize }} PUT and LIST"
            " requests in 30 days, more than SLUICE_BUDGET_PUTS",
        ),
    ))  # fmt: skip
