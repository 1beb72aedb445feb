"""The events of a view that do not count, and why: duplicates, late and expired ones; of an entity those that
a later one has followed; and what is of entities that are forgotten."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.times import format_time
from streams.verify.answer import Filters, Row
from streams.verify.behind import PLACE, filtered, other_dimensions
from streams.verify.record_counts import counts_all
from streams.verify.rules import Limits
from streams.view_sql.members import literal, texts
from streams.view_sql.query import counts, in_window
from tables.spec.experiment import Experiment
from tables.spec.view import View
from tables.spec.windowed import Windowed

_JUDGED = """
SELECT {columns}, first_offset AS _first_offset, first_seen AS _first_seen,
       late.watermark_us AS _watermark_us,
       CASE WHEN first_offset IS NOT NULL THEN 'duplicate' WHEN late.watermark_us IS NOT NULL THEN 'late'
            {more} END AS _why
FROM loaded JOIN spans USING (topic, "partition")
LEFT JOIN (
    SELECT duplicates.*, seen AS first_seen FROM duplicates JOIN loaded
      ON loaded.topic = duplicates.topic AND loaded."partition" = duplicates."partition"
     AND loaded."offset" = first_offset
) USING (topic, "partition", "offset")
LEFT JOIN late USING (topic, "partition", "offset")
WHERE seen AND {looked_at}"""
_EXPIRED = "WHEN floored(epoch_us(happened), 3600000000) < first_hour THEN 'expired'"
_TRACKED = """WHEN (topic, "partition", "offset") IN (FROM forgotten) THEN 'forgotten'
            WHEN (topic, "partition", "offset") NOT IN (FROM chosen) THEN 'followed'"""
_EXPOSURES = """WHEN event = {} AND (topic, "partition", "offset")
                 NOT IN (SELECT (_topic, _partition, _offset) FROM behind WHERE users = 1) THEN 'followed'"""


def left_out_sql(view: View, filters: Filters) -> str:
    """Makes `left_out`; it needs `behind`."""
    parts = []
    if counts_all(view):
        parts.append(_judged(view, _EXPIRED, in_window()))
    elif isinstance(view, Experiment):
        parts.append(_judged(view, _EXPOSURES.format(literal(view.exposure.event)), _is_of(view.events)))
    elif isinstance(view, Windowed) and view.kept:
        parts.append(_judged(view, _EXPIRED, f"{in_window()} AND ({counts(view)})"))
    if view.tracks is not None:
        parts.append(_judged(view, _TRACKED, _is_of(view.tracks.by_event)))
    found = " UNION ALL BY NAME ".join(parts)
    return f"CREATE TABLE left_out AS SELECT * FROM ({found}) WHERE _why IS NOT NULL AND {filtered(filters)}"


def why(row: Row, limits: Limits) -> str:
    """Why an event is left out, in words."""
    match row["_why"]:
        case "duplicate":
            first = f"offset {row['_first_offset']:,}" if row["_first_seen"] else "an earlier record"
            return (
                f"{first} of its partition has its event_id (SLUICE_DEDUPE_SECONDS {limits.dedupe_seconds:,})"
            )
        case "late":
            watermark = format_time(row["_watermark_us"])
            return f"its partition had come to {watermark} by then (SLUICE_PANE_HOURS {limits.pane_hours:,})"
        case "expired":
            return f"sums of its hour are kept no longer (SLUICE_PANE_HOURS {limits.pane_hours:,})"
        case "followed":
            return "another event of the same entity, or user, counts in its place"
        case _:
            return f"its entity has closed, and is forgotten (SLUICE_CLOSED_HOURS {limits.closed_hours:,})"


def _judged(view: View, more: str, looked_at: str) -> str:
    columns = ", ".join([PLACE, *other_dimensions(view)])
    return _JUDGED.format(columns=columns, more=more, looked_at=looked_at)


def _is_of(events: Iterable[str]) -> str:
    return f"event IN ({texts(sorted(events))})"
