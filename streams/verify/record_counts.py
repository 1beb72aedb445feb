"""Views that count all records, bad ones too, as SQL written from the words of docs/contract.md §3.

An event lies in the pane in which it occurred, a bad record in that of its Kafka timestamp, also where that
is ahead of the watermark; without one at the watermark that its partition had by then, before the first
event at the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence

from streams.view_sql.members import named, quoted
from streams.view_sql.query import derived_sql
from tables.spec.records import Outcome, Records
from tables.spec.view import View
from tables.spec.windowed import Windowed

COUNTED_RECORDS = (
    """
CREATE VIEW counted_records AS
WITH placed AS (
    SELECT bad.*, CASE WHEN kafka_ms >= 0 THEN kafka_ms // 60000
                       ELSE floored(coalesce(watermark_us, 0), 60000000) END AS minute
    FROM bad ASOF LEFT JOIN marks
      ON bad.topic = marks.topic AND bad."partition" = marks."partition" AND bad."offset" > marks."offset"
)
SELECT topic, "partition", "offset", event_id, event, city, source, NULL AS reason, origin, happened,
       floored(epoch_us(happened), 60000000) AS minute
FROM events
UNION ALL
SELECT topic, "partition", "offset", NULL, event, city, source, reason, origin,
       TRY(to_timestamp(minute * 60)), minute
FROM placed JOIN spans USING (topic, "partition")
WHERE first_hour IS NULL OR minute >= first_hour * 60
""",
)
"""Makes `counted_records`: what counts, with its minute since the epoch."""


def counts_all(view: View) -> bool:
    """Whether it counts records, and nothing else: these are said here."""
    return isinstance(view, Windowed) and all(type(one) is Records for one in view.sums) and bool(view.sums)


def records_sql(view: Windowed, by: Sequence[str]) -> str:
    """The rows by these dimensions, of the minutes from `$from_minute` to `$to_minute`."""
    counted = ", ".join(
        named(f"count(*) FILTER (WHERE {outcome_sql(one)})", one.name)
        for one in view.sums
        if isinstance(one, Records)
    )
    measures = [named(derived_sql(measure) or measure.name, measure.name) for measure in view.measures]
    columns = [quoted(name) for name in by]
    return (
        f"SELECT {', '.join([*columns, *measures])} FROM (SELECT {', '.join([*columns, counted])}"
        f" FROM counted_records WHERE {IN_MINUTES} GROUP BY ALL)"
    )


IN_MINUTES = "minute >= $from_minute AND minute < $to_minute"


def outcome_sql(measure: Records) -> str:
    """Whether a record is of its outcome."""
    return "reason IS NULL" if measure.outcome is Outcome.ACCEPTED else "reason IS NOT NULL"
