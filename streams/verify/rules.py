"""Which of the loaded events count, as docs/contract.md §3 has it: written as SQL from its words alone.

- A duplicate: an event_id that its source partition had before, within SLUICE_DEDUPE_SECONDS of Kafka's time,
  counted from the first occurrence. What comes later is a first occurrence again, from which it is counted.
- Late: older than all panes that are kept (SLUICE_PANE_HOURS) behind the partition's watermark, the newest
  event before it that is no duplicate.
- Expired: in an hour that is kept no longer. A sum has lost it; an entity is not forgotten by that.
"""

from __future__ import annotations

from typing import NamedTuple

from streams.verify.records import Records

SECOND_MS, HOUR_US = 1000, 3_600_000_000

_RULES = (
    """
CREATE TABLE repeated AS
SELECT topic, "partition", "offset", kafka_ms, event_id
FROM loaded SEMI JOIN (
    SELECT topic, "partition", event_id FROM loaded GROUP BY ALL HAVING count(*) > 1
) USING (topic, "partition", event_id)
""",
    """
CREATE TABLE opening AS
WITH RECURSIVE opening AS (
    SELECT topic, "partition", event_id, min("offset") AS "offset", arg_min(kafka_ms, "offset") AS opened_ms
    FROM repeated GROUP BY ALL
    UNION ALL
    SELECT topic, "partition", event_id, min(later."offset"), arg_min(later.kafka_ms, later."offset")
    FROM opening JOIN repeated AS later USING (topic, "partition", event_id)
    WHERE later."offset" > opening."offset" AND later.kafka_ms > opening.opened_ms + $dedupe_ms
    GROUP BY topic, "partition", event_id
)
FROM opening
""",
    """
CREATE TABLE duplicates AS
SELECT repeated.topic, repeated."partition", repeated."offset", opening."offset" AS first_offset
FROM repeated ASOF JOIN opening
  ON repeated.topic = opening.topic AND repeated."partition" = opening."partition"
 AND repeated.event_id = opening.event_id AND repeated."offset" >= opening."offset"
WHERE repeated."offset" > opening."offset"
""",
    """
CREATE VIEW firsts AS FROM loaded ANTI JOIN duplicates USING (topic, "partition", "offset")
""",
    """
CREATE VIEW marks AS
SELECT topic, "partition", "offset", happened, max(epoch_us(happened)) OVER (
    PARTITION BY topic, "partition" ORDER BY "offset") AS watermark_us
FROM firsts
""",
    """
CREATE TABLE late AS
SELECT topic, "partition", "offset", watermark_us FROM marks
WHERE epoch_us(happened) < watermark_us - $kept_us
""",
    """
CREATE VIEW folded AS
FROM firsts ANTI JOIN late USING (topic, "partition", "offset") WHERE seen
""",
    """
CREATE VIEW events AS
SELECT folded.* FROM folded JOIN spans USING (topic, "partition")
WHERE floored(epoch_us(happened), 3600000000) >= first_hour
""",
)


class Limits(NamedTuple):
    """What bounds the state of the views, as in the settings of the same names."""

    dedupe_seconds: int
    pane_hours: int
    closed_hours: int


async def apply_rules(records: Records, limits: Limits) -> None:
    """Judge what is loaded: `duplicates` (with the offset of the first occurrence), `late`, `folded` (what
    counts, and may be seen), `events` (what counts in sums)."""
    given = {"dedupe_ms": limits.dedupe_seconds * SECOND_MS, "kept_us": limits.pane_hours * HOUR_US}
    await records.run(_RULES, **given)
