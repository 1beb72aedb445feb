"""Error codes of operation (docs/contract.md §9): each with its meaning, severity and runbook."""

from __future__ import annotations

from enum import Enum

CRITICAL, WARNING = SEVERITIES = "critical", "warning"
"""Page; look in working hours."""


class ErrorCode(Enum):
    """What went wrong, as counted in `sluice_errors_total{code}`; value = (severity, meaning, raised by)."""

    EVENT_SCHEMA_INVALID = (
        WARNING, "an event's name, version or payload is not in the catalogue", "views: a quarantined record",
    )  # fmt: skip
    EVENT_ENVELOPE_INVALID = (
        WARNING, "a record is not a valid event envelope", "views: a quarantined record",
    )  # fmt: skip
    EVENT_PUT_FAILED = (
        CRITICAL, "a write to Kafka or to Bronze failed after its retries",
        "views, bronze, gates: a checkpoint, a range, gates or an alarm that could not be written",
    )  # fmt: skip
    PIPELINE_LAG_EXCEEDED = (
        CRITICAL, "a partition has unread records older than SLUICE_STALE_SECONDS",
        "views, bronze: a partition that is behind, lost records; gates: one that nobody reads, stale gates",
    )  # fmt: skip
    CTAS_FAILURE = (CRITICAL, "a CTAS transform of Bronze failed", "")
    QUALITY_CHECK_FAILED = (
        CRITICAL, "a data quality check failed",
        "gates: one in alarm; audit: a view that is wrong; views: too many bad records, or too many groups",
    )  # fmt: skip
    ATHENA_SCANNED_BYTES_BREACH = (WARNING, "a query scanned more bytes than its workgroup allows", "")
    BI_REFRESH_FAILED = (WARNING, "a BI data set did not refresh", "")
    DSAR_CONFLICT = (WARNING, "a data subject request conflicts with data that must be kept", "")

    @property
    def severity(self) -> str:
        """`warning` (look in working hours) or `critical` (page)."""
        return self.value[0]

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return self.value[1]

    @property
    def raised_by(self) -> str:
        """Which role raises it, and of what; empty: nothing does yet, it is a name for jobs of the lake."""
        return self.value[2]

    @property
    def runbook(self) -> str:
        """What to open, relative to the repository's root."""
        return f"{RUNBOOKS}/{_PAGES[self.name]}.md"


RUNBOOKS = "docs/runbooks"
_PAGES = {
    "EVENT_SCHEMA_INVALID": "schema-break",
    "EVENT_ENVELOPE_INVALID": "poison-flood",
    "EVENT_PUT_FAILED": "bronze-unwritable",
    "PIPELINE_LAG_EXCEEDED": "pipeline-lag",
    "CTAS_FAILURE": "ctas-failure",
    "QUALITY_CHECK_FAILED": "gate-alarm",
    "ATHENA_SCANNED_BYTES_BREACH": "athena-spend",
    "BI_REFRESH_FAILED": "bi-refresh",
    "DSAR_CONFLICT": "dsar-conflict",
}
"""The page of each code; several happenings may have one code, and their pages then name each other."""
