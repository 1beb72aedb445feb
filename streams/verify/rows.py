"""The rows of an answer, computed anew: what counts of the records, then the view's own SQL over that."""

from __future__ import annotations

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
    view = answer.view
    if isinstance(view, Experiment):
        given = {"newest_us": answer.newest_us, "kept_us": limits.pane_hours * HOUR_US}
        return await records.rows(experiments.experiments_sql(view), **given)
    if counts_all(view):
        assert isinstance(view, Windowed)
        return await records.rows(records_sql(view, answer.group_by), **answer.minutes)
    return await records.rows(rows_sql(view, [], answer.group_by), **answer.times)
