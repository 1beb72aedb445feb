"""The latest states of entities, as docs/contract.md §3 has it: written as SQL from its words alone.

Of an entity's events that with the greatest (occurred_at, rank, event_id) counts, partition by partition, and
then over them. A closed one is forgotten when its partition's watermark is SLUICE_CLOSED_HOURS past its
closing, if its opening event has been seen: from there on it is as if it had never been. Only where that may
have happened before its last event, its events are gone through one by one.
"""

from __future__ import annotations

from streams.verify.records import Records
from streams.verify.rules import HOUR_US
from streams.view_sql.entities import entity_ids, rank_sql, state_sql
from streams.view_sql.members import texts
from tables.spec.tracked import Tracked

_STAGES = (
    """
CREATE TABLE stages AS
SELECT topic, "partition", "offset", happened, event_id, {rank} AS rank, {opens} AS opens,
       {closes} AS closes, [{ids}] AS entity
FROM folded WHERE event IN ({events})
""",
    """
CREATE TABLE passing AS
SELECT topic, "partition", entity FROM stages JOIN spans USING (topic, "partition")
GROUP BY ALL HAVING bool_or(closes AND epoch_us(happened) < watermark_us - $closed_us)
""",
    """
CREATE TABLE states AS
SELECT topic, "partition", entity, bool_or(opens) AS opened,
       last("offset" ORDER BY happened, rank, event_id, "offset" DESC) AS "offset"
FROM stages ANTI JOIN passing USING (topic, "partition", entity)
GROUP BY ALL
UNION ALL
SELECT topic, "partition", entity, state.opened, state."offset"
FROM (SELECT topic, "partition", entity, list_reduce(
          list({{moment: happened, rank: rank, id: event_id, opened: opens, closes: closes,
                 "offset": "offset", watermark: watermark_us}} ORDER BY "offset"),
          lambda old, new: CASE
              WHEN old.opened AND old.closes AND epoch_us(old.moment) < new.watermark - $closed_us THEN new
              WHEN (new.moment, new.rank, new.id) > (old.moment, old.rank, old.id)
                  THEN struct_update(new, opened := new.opened OR old.opened)
              ELSE struct_update(old, opened := new.opened OR old.opened) END) AS state
      FROM stages SEMI JOIN passing USING (topic, "partition", entity)
      JOIN marks USING (topic, "partition", "offset", happened)
      GROUP BY ALL)
""",
    """
CREATE TABLE forgotten AS
SELECT topic, "partition", "offset" FROM states JOIN stages USING (topic, "partition", "offset", entity)
JOIN spans USING (topic, "partition")
WHERE opened AND closes AND epoch_us(happened) < watermark_us - $closed_us
""",
    """
CREATE TABLE chosen AS
SELECT topic, "partition", "offset"
FROM states ANTI JOIN forgotten USING (topic, "partition", "offset")
JOIN stages USING (topic, "partition", "offset", entity)
QUALIFY row_number() OVER (
    PARTITION BY entity ORDER BY happened DESC, rank DESC, event_id DESC, topic, "partition") = 1
""",
    """
CREATE VIEW latest AS
SELECT *, {state} AS state FROM folded SEMI JOIN chosen USING (topic, "partition", "offset")
""",
)


async def find_latest(records: Records, tracks: Tracked, closed_hours: int) -> None:
    """Make `latest`, the events that entities' states are of, and `forgotten`, the places of the closing
    events of those that are not kept any more."""
    stages = tracks.stages
    said = {
        "rank": rank_sql(tracks),
        "opens": _is_one([stage.event for stage in stages if stage.opens]),
        "closes": _is_one([stage.event for stage in stages if stage.closes]),
        "ids": ", ".join(entity_ids(tracks)),
        "events": texts(tracks.by_event),
        "state": state_sql(tracks),
    }
    statements = [statement.format(**said) for statement in _STAGES]
    await records.run(statements, closed_us=closed_hours * HOUR_US)


def _is_one(events: list[str]) -> str:
    return f"event IN ({texts(events)})" if events else "false"
