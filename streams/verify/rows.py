"""The rows of an answer, computed anew: what counts of the records, then the view's own SQL over that."""

from __future__ import annotations

from typing import Any

from streams.verify import experiments
from streams.verify.answer import Answer, Row
from streams.verify.latest import find_latest
from streams.verify.record_counts import COUNTED_RECORDS, counts_all, records_sql
from streams.verify.records import Records
from streams.verify.rules import HOUR_US, Limits, apply_rules
from streams.view_sql.query import is_sayable, rows_sql
from tables.spec.experiment import Experiment
from tables.spec.view import View
from tables.spec.windowed import Windowed


def is_computable(view: View) -> bool:
    """Whether all of its measures are of kinds that are said in SQL."""
    return isinstance(view, Experiment) or counts_all(view) or is_sayable(view)


async def judge(records: Records, answer: Answer, limits: Limits) -> None:
    """Find out what of the loaded records counts for a view. Raises `RecordsError`."""
    await apply_rules(records, limits)
    view = answer.view
    if view.tracks is not None:
        await find_latest(records, view.tracks, limits.closed_hours)
    if counts_all(view):
        await records.run(COUNTED_RECORDS)
    if isinstance(view, Experiment):
        await experiments.prepare(records)


async def computed_rows(records: Records, answer: Answer, limits: Limits) -> list[Row]:
    """The rows of the judged records, by the answer's dimensions. Raises `RecordsError`."""
    return await records.rows(_query(answer), **parameters(answer, limits))


def parameters(answer: Answer, limits: Limits) -> dict[str, Any]:
    """Those of an answer's queries."""
    window = {} if answer.start is None else answer.minutes
    kept = {"newest_us": answer.newest_us, "kept_us": limits.pane_hours * HOUR_US}
    return {**answer.times, **window, **kept}


def _query(answer: Answer) -> str:
    view = answer.view
    if isinstance(view, Experiment):
        return experiments.experiments_sql(view)
    if counts_all(view):
        assert isinstance(view, Windowed)
        return records_sql(view, answer.group_by)
    return rows_sql(view, [], answer.group_by)
