"""Alerts about what reads the raw topics: lag, partitions that stand still, recovery, losses, lateness."""

from __future__ import annotations

from streams import metrics
from streams.errors import CRITICAL, WARNING, ErrorCode
from streams.monitoring.rule import Alert, Group, Query, role_of_group

MINUTE, HOUR = 60, 3600
WHERE = "{{ $labels.topic }}-{{ $labels.partition }}"


def pipeline(query: Query) -> Group:
    """The group."""
    return Group("sluice-pipeline", (*_reading(query), *_recovering(query), *_answering(query)))


def _reading(query: Query) -> tuple[Alert, ...]:
    options = query.options
    still = options.duration(options.stuck_seconds)
    position = query(metrics.POSITION)
    unread = f"min_over_time({query(metrics.LAG_RECORDS)}[{still}]) > 0"
    up = f"{query.named('up')} == 1"
    # Worker by worker each partition has one owner; a former owner's last word must not hide behind it.
    lag = f"max by (group, topic, partition) ({query(metrics.LAG_SECONDS)}) > {options.lag_seconds}"
    stuck = (
        f"max by (group, topic, partition) ({position} == {position} offset {still} and {unread}"
        f" and on (job, instance) {up})"
    )
    return (
        Alert(
            "SluiceLagExceeded", CRITICAL, role_of_group(lag), page="pipeline-lag", for_seconds=MINUTE,
            summary="{{ $labels.group }} is {{ $value | humanizeDuration }} behind on " + WHERE,
            code=ErrorCode.PIPELINE_LAG_EXCEEDED,
        ),
        Alert(
            "SluicePartitionStuck", CRITICAL, role_of_group(stuck), page="pipeline-lag",
            summary="{{ $labels.group }} has stood still at offset {{ $value }} of " + WHERE
            + f" for {still}, with unread records and a worker that runs",
            code=ErrorCode.PIPELINE_LAG_EXCEEDED,
        ),
        Alert(
            "SluiceWorkerStuck", CRITICAL, for_seconds=MINUTE, page="worker-down",
            expr=role_of_group(f"time() - {query(metrics.BEAT)} > {options.beat_seconds}"),
            summary="{{ $labels.instance }} answers, and has not known how far it is for"
            " {{ $value | humanizeDuration }}: Kafka does not answer it, or it is stuck",
        ),
        Alert(
            "SluiceSchemaWaits", CRITICAL, for_seconds=5 * MINUTE, page="schema-break",
            expr=_waiting(query, "schemas"), code=ErrorCode.EVENT_SCHEMA_INVALID,
            summary="{{ $value }} partitions of {{ $labels.role }} wait for the registry to know a schema",
        ),
        Alert(
            "SluiceTopicWaits", CRITICAL, for_seconds=5 * MINUTE, page="pipeline-lag",
            expr=_waiting(query, "topics"), command="sluice topics create",
            summary="{{ $value }} partitions of {{ $labels.role }} wait for the feed or quarantine to grow",
        ),
    )  # fmt: skip


def _waiting(query: Query, reason: str) -> str:
    waiting = query(metrics.WAITING_PARTITIONS, reason=reason)
    return f"sum by (role) ({waiting}) > 0"


def _recovering(query: Query) -> tuple[Alert, ...]:
    recovering = f"max by (group) ({query(metrics.RECOVERING)}) > {query.options.recovering_seconds}"
    failures = f"increase({query(metrics.PARTITION_FAILURES)}{query.window(15 * MINUTE)})"
    return (
        Alert(
            "SluiceRecoverySlow", CRITICAL, role_of_group(recovering), page="slow-recovery",
            summary="{{ $labels.group }} has recovered a partition for {{ $value | humanizeDuration }}",
        ),
        Alert(
            "SluiceRecoveryFailing", CRITICAL, page="slow-recovery",
            expr=role_of_group(f"sum by (group) ({failures}) > 3"),
            summary="Partitions of {{ $labels.group }} fail again as soon as they are recovered",
        ),
        Alert(
            "SluiceRecordsLost", CRITICAL, page="pipeline-lag",
            expr=role_of_group(query.grown("group, topic", metrics.LOST_RECORDS, HOUR)),
            summary="Kafka had deleted {{ $value }} records of {{ $labels.topic }} before"
            " {{ $labels.group }} read them",
            code=ErrorCode.PIPELINE_LAG_EXCEEDED, command="sluice alarms",
        ),
    )  # fmt: skip


def _answering(query: Query) -> tuple[Alert, ...]:
    options = query.options
    window = query.window(15 * MINUTE)
    checkpoints = f"sum by (le) (rate({query(metrics.CHECKPOINT, part='bucket')}{query.window(5 * MINUTE)}))"
    late = query(metrics.EVENTS, outcome="late_dropped")
    every = query(metrics.EVENTS)
    return (
        Alert(
            "SluiceCheckpointsSlow", WARNING, for_seconds=10 * MINUTE, page="pipeline-lag", role="views",
            expr=f"histogram_quantile(0.99, {checkpoints}) > {options.checkpoint_seconds:g}",
            summary="1 % of the checkpoints take {{ $value | humanizeDuration }} or longer",
        ),
        Alert(
            "SluiceAnswersIncomplete", WARNING, for_seconds=5 * MINUTE, page="pipeline-lag", role="api",
            expr=f"count(min by (view) ({query(metrics.VIEW_COMPLETE)}) == 0) > 0",
            summary="{{ $value }} views answer `complete: false`", command="sluice status",
        ),
        Alert(
            "SluiceLateDropped", WARNING, for_seconds=5 * MINUTE, page="wrong-number", role="views",
            expr=f"sum(rate({late}{window})) / sum(rate({every}{window})) > {options.late_share:g}",
            summary="{{ $value | humanizePercentage }} of the events are too old, and not counted",
        ),
    )  # fmt: skip
