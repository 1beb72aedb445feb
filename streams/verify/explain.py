"""The events behind the rows of an answer: how many of which there are and what they add, the newest and the
largest, and those that are left out, with why."""

from __future__ import annotations

from typing import Any

from schemas.times import format_time
from streams.verify.answer import Answer, Row
from streams.verify.behind import added_measures, behind_sql, event_keys, filter_values
from streams.verify.left_out import left_out_sql, why
from streams.verify.proof import State, Verdict
from streams.verify.records import Records
from streams.verify.rows import parameters
from streams.verify.rules import Limits
from streams.view_sql.members import named, quoted

MOST_EXAMPLES = 5
_NEWEST = "_occurred_us DESC NULLS LAST, _topic, _partition, _offset DESC"


async def explained(records: Records, verdict: Verdict, answer: Answer, limits: Limits) -> dict[str, Any]:
    """What the judged records of an answer come to, event by event. Raises `RecordsError`."""
    view, filters = answer.view, answer.filters
    given = {**parameters(answer, limits), **filter_values(filters)}
    await records.rows(behind_sql(view, filters), **given)
    await records.rows(left_out_sql(view, filters), **given)
    sums = added_measures(view)
    added = ", ".join(named(f"coalesce(sum({quoted(name)}), 0)", name) for name in sums)
    by = ", ".join("_event AS event" if name == "event" else quoted(name) for name in event_keys(view))
    newest = await records.rows(f"FROM behind ORDER BY {_NEWEST} LIMIT {MOST_EXAMPLES}")
    largest = await records.rows(
        f"FROM behind WHERE _amount IS NOT NULL ORDER BY _amount DESC, {_NEWEST} LIMIT {MOST_EXAMPLES}"
    )
    origins = await records.rows("SELECT _origin, count(*) AS records FROM behind GROUP BY ALL")
    return {
        "adds_up": {State.EQUAL: True, State.DIFFERENT: False}.get(verdict.state),
        "differences": [one._asdict() for one in verdict.differences],
        "notes": verdict.notes,
        "events": await records.rows(
            f"SELECT {by}, count(*) AS records, {added} FROM behind GROUP BY ALL ORDER BY ALL"
        ),
        "newest": [_shown(answer, row) for row in newest],
        "largest": [_shown(answer, row) for row in largest],
        "left_out": await _left_out(records, answer, limits),
        "sources": {row["_origin"]: row["records"] for row in origins},
    }


async def _left_out(records: Records, answer: Answer, limits: Limits) -> list[dict[str, Any]]:
    found = await records.rows(
        "SELECT *, count(*) OVER (PARTITION BY _why) AS _records FROM left_out"
        f" QUALIFY row_number() OVER (PARTITION BY _why ORDER BY {_NEWEST}) <= {MOST_EXAMPLES}"
        f" ORDER BY _why, {_NEWEST}"
    )
    kinds = {row["_why"]: row["_records"] for row in found}
    return [
        {
            "why": kind,
            "records": records_,
            "examples": [
                {**_shown(answer, row), "because": why(row, limits)} for row in found if row["_why"] == kind
            ],
        }
        for kind, records_ in kinds.items()
    ]


def _shown(answer: Answer, row: Row) -> dict[str, Any]:
    """An event: its place, its time, and its dimensions."""
    occurred_us = row["_occurred_us"]
    return {
        "event_id": row["_event_id"],
        "event": row["_event"],
        "occurred_at": None if occurred_us is None else format_time(occurred_us),
        "topic": row["_topic"],
        "partition": row["_partition"],
        "offset": row["_offset"],
        "amount": row.get("_amount"),
        **{name: row[name] for name in answer.view.dimensions},
    }
