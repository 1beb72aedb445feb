"""Every metric of Sluice, declared once with its meaning (docs/contract.md §8). Labels are bounded.

No city, campaign, id or unknown event name is ever a label: an event that is not in the catalogue counts as
`_unknown`. The hot path adds up counts per batch; nothing here is called per event.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from streams.errors import ErrorCode


class CountedHistogram(Histogram):
    """A histogram of observations that are counted by bucket before they come here, thousands at once."""

    @property
    def upper_bounds(self) -> Sequence[float]:
        """What a bucket holds is not above its bound; the last one is infinite."""
        return self._upper_bounds

    def observe_all(self, counts: Sequence[int], total: float) -> None:
        """Add so many observations to each bucket; `total` is their sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


EVENTS = Counter(
    "sluice_events",
    "Events by name and outcome: accepted, quarantined, duplicate or late_dropped.",
    ["event", "outcome"],
)
ADAPTED = Counter(
    "sluice_adapted",
    "Events sent in another version than the declared one and taken by an adapter, by the version sent.",
    ["event", "version"],
)
ERRORS = Counter("sluice_errors", "Operational errors by code.", ["code"])
for _code in ErrorCode:  # from 0 on: the increase of a series that begins at 1 is 0
    ERRORS.labels(_code.name)
QUARANTINE = Counter("sluice_quarantine", "Quarantined records by code and reason.", ["code", "reason"])
ALIEN_RECORDS = Counter(
    "sluice_alien_records",
    "Records of the feed or the gates' topic passed over: not Sluice's by their key, or not readable.",
    ["topic"],
)
EVENT_TO_VIEW = CountedHistogram(
    "sluice_event_to_view_seconds",
    "From a record's Kafka timestamp to its committed checkpoint in the feed, for every record.",
    buckets=(0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1, 2, 5, 10, 30, 60, 300),
)
CHECKPOINT = Histogram(
    "sluice_checkpoint_seconds",
    "From the snapshot of a partition's changes to their committed transaction.",
    buckets=(0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
VIEW_FRESHNESS = Gauge(
    "sluice_view_freshness_seconds", "Age of the oldest checkpoint a view's answer rests on.", ["view"]
)
VIEW_COMPLETE = Gauge(
    "sluice_view_complete",
    "1 while an answer of an api over all that it keeps says `complete: true`, else 0.",
    ["view"],
)
VIEW_ENTITIES = Gauge(
    "sluice_view_entities",
    "Entities of a view that are in a selection now, over all cities. Of an api that has read the feed, while"
    " SLUICE_AUTH=off: /metrics needs no token.",
    ["view", "selection"],
)
LAG_RECORDS = Gauge(
    "sluice_consumer_lag_records", "Records after the last checkpoint.", ["group", "topic", "partition"]
)
LAG_SECONDS = Gauge(
    "sluice_consumer_lag_seconds",
    "Age of the oldest record that is in no checkpoint yet; 0 when there is none.",
    ["group", "topic", "partition"],
)
POSITION = Gauge(
    "sluice_position_offset",
    "The next offset that is not processed. It stands still where there is nothing to read, and where a"
    " partition is stuck.",
    ["group", "topic", "partition"],
)
LOST_RECORDS = Counter(
    "sluice_lost_records",
    "Records that Kafka had deleted before they were read; a loss that is found again after a crash counts"
    " again.",
    ["group", "topic"],
)
BEAT = Gauge(
    "sluice_beat_timestamp_seconds",
    "When a worker last found out how far it is, which it does once a second and needs Kafka for.",
    ["group"],
)
WATERMARK = Gauge(
    "sluice_watermark_timestamp_seconds",
    "Newest accepted occurred_at of a partition.",
    ["topic", "partition"],
)
BREAKER = Gauge(
    "sluice_breaker_tripped",
    "1 while too many of a partition's last 1,000 records are bad (SLUICE_BAD_SHARE); it clears at half.",
    ["topic", "partition"],
)
RECOVERY = Histogram(
    "sluice_recovery_seconds",
    "From an assignment to its partitions being ready to fold.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60),
)
RECOVERING = Gauge(
    "sluice_recovering_seconds",
    "For how long the partition has been recovered that takes longest; 0 when none is in recovery.",
    ["group"],
)
PARTITION_FAILURES = Counter(
    "sluice_partition_failures",
    "Times that a partition could not write what it had read, and was recovered for it.",
    ["group"],
)
WAITING_PARTITIONS = Gauge(
    "sluice_waiting_partitions",
    "Raw partitions of this worker that wait while it reads the others: `topics`, for a partition of the feed"
    " or the quarantine; `schemas`, for the registry to know the schema of their next record.",
    ["role", "reason"],
)
GATE_STATE = Gauge(
    "sluice_gate_state",
    "The worst state of a gate over its cities: 0 ok, 1 warn, 2 alarm, 3 stale. Of the leader alone.",
    ["gate", "currency"],
)
GATES = Gauge("sluice_gates", "How many gates are in a state. Of the leader alone.", ["gate", "state"])
GATES_EVALUATED = Gauge(
    "sluice_gates_evaluated_timestamp_seconds",
    "When this process last evaluated the gates and published what was due; 0 if it never led.",
)
BRONZE_OBJECTS = Counter("sluice_bronze_objects", "Objects written to Bronze and committed.")
BRONZE_BYTES = Counter(
    "sluice_bronze_bytes",
    "Bytes committed to Bronze: `raw` as record values, `stored` as compressed objects.",
    ["kind"],
)
BRONZE_COMMIT = Histogram(
    "sluice_bronze_commit_seconds",
    "From a range's end to its commit, compression and failed tries included.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
BRONZE_OLDEST = Gauge(
    "sluice_bronze_oldest_uncommitted_seconds",
    "Age of the oldest record of this worker's partitions that is not in Bronze yet; 0 when there is none.",
)
BUDGET_PUTS = Gauge(
    "sluice_budget_puts",
    "SLUICE_BUDGET_PUTS of a bronze worker: the PUT and LIST requests that 30 days may take; 0: no budget.",
)
STORE_REQUESTS = Counter(
    "sluice_store_requests",
    "Requests to Bronze's store: put, get, list or delete, without those that its client repeats.",
    ["operation"],
)
OTHER_GROUPS = Counter(
    "sluice_other_groups",
    "Events that a view has summed under `_other`, as it has all the groups of SLUICE_MAX_GROUPS.",
    ["view"],
)
AUDITS = Counter(
    "sluice_audits",
    "Proofs of a view by the audit: equal, different, unverified (there can be no proof) or failed.",
    ["view", "outcome"],
)
AUDIT_SUCCESS = Gauge(
    "sluice_audit_success_timestamp_seconds",
    "When a view was last proved to be right; until it first is, when the auditor started.",
    ["view"],
)
AUDIT_DIFFERENCES = Gauge(
    "sluice_audit_differences", "Measures of rows that the last proof of a view found to be wrong.", ["view"]
)
AUDIT_SECONDS = Gauge(
    "sluice_audit_seconds", "How long the last proof of a view took, the wait for Bronze included.", ["view"]
)
NOTIFY_POSTS = Counter(
    "sluice_notify_posts",
    "What notify did with alarms for a target: delivered, failed (a try, which is repeated) or given_up.",
    ["target", "outcome"],
)
NOTIFY_PENDING = Gauge(
    "sluice_notify_pending", "Notices of alarms that wait for a target to take them.", ["target"]
)
NOTIFY_HELD = Counter(
    "sluice_notify_held", "Alarms that were raised too often within a while, and not told of at once."
)
NOTIFY_LEADS = Gauge(
    "sluice_notify_leads", "1 in the one process that tells of alarms, 0 in one that stands by."
)
INGEST_REQUESTS = Counter(
    "sluice_ingest_requests",
    "Requests that ingest has answered, by route and HTTP status.",
    ["route", "status"],
)
INGEST_EVENTS = Counter(
    "sluice_ingest_events",
    "What was posted to ingest, by route and verdict: accepted (in Kafka), refused or not_for_us.",
    ["route", "verdict"],
)
INGEST_REFUSED = Counter(
    "sluice_ingest_refused", "What ingest refused, by code and reason.", ["code", "reason"]
)
INGEST_ACKNOWLEDGED = Histogram(
    "sluice_ingest_acknowledged_seconds",
    "From a request's events being judged to Kafka's acknowledgement of all of them.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
INGEST_INFLIGHT = Gauge(
    "sluice_ingest_inflight_bytes", "Bodies that ingest holds until Kafka has acknowledged their events."
)
HTTP_REQUESTS = Counter(
    "sluice_http_requests", "Requests to the api by the status of the answer.", ["status"]
)
HTTP_STREAMS = Gauge("sluice_http_streams", "Questions that open streams of the api follow.")
HTTP_CONNECTIONS = Gauge("sluice_http_connections", "Open connections of the api.")
HTTP_EVICTED = Counter(
    "sluice_http_evicted",
    "Connections that the api closed for want of a whole request in time, or to make room for others.",
)
READY = Gauge("sluice_ready", "1 while /readyz answers 200, else 0.")
CLOCK = Gauge("sluice_clock_timestamp_seconds", "The clock of this machine at the moment of the scrape.")
CLOCK.set_function(time.time)
CERTIFICATE_END = Gauge(
    "sluice_certificate_end_timestamp_seconds",
    "When the certificate ends that a setting names: of a chain the first to end, of a CA file the last.",
    ["setting"],
)
STATE = Gauge("sluice_state_items", "What a worker holds in memory, by kind.", ["kind"])
BUILD_INFO = Gauge("sluice_build_info", "1, with the version as label.", ["version"])
EXTENSION_INFO = Gauge(
    "sluice_extension_info",
    "1 for each extension that is loaded, with its version.",
    ["extension", "version"],
)
