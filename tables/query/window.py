"""The window of a query: which panes its rows are of. What is wrong with it depends on the query and on what
partitions have rolled into hours, never on what there is in them.
"""

from __future__ import annotations

from schemas.times import FIRST_US, format_time
from tables.query.params import ParameterError, ViewQuery
from tables.query.steps import Steps
from tables.read.state import ReaderState
from tables.times import HOUR_MINUTES, MINUTE_US, whole_hours


def window_of(reader: ReaderState, query: ViewQuery, end_us: int) -> tuple[int, int]:
    """Epoch minutes [first, end) of the panes that start inside the window, whole hours where hours are kept.

    `end_us`: where it ends if the query does not say. Raises `ParameterError`, also for steps that would cut
    what is kept as a whole.
    """
    first, end = _minutes(query, end_us)
    rolled_until = reader.rolled_until()
    if rolled_until is None or first >= rolled_until:
        return first, end
    first, end = whole_hours(first, end, rolled_until)
    steps = query.steps
    if steps is not None and steps.minutes % HOUR_MINUTES:
        until = format_time(rolled_until * MINUTE_US)
        raise ParameterError(
            "step", f"must be whole hours before {until}: no minutes are kept there any more"
        )
    if steps is not None and steps.zone is not None:
        for hour in reader.rolled_hours(first, min(end, rolled_until)):
            if steps.cuts(hour):
                raise cut_hour(steps, hour)
    return first, end


def _minutes(query: ViewQuery, end_us: int) -> tuple[int, int]:
    to_us = end_us if query.to_us is None else query.to_us
    if query.window_us is not None:
        from_us = to_us - query.window_us
    else:
        assert query.from_us is not None
        from_us = query.from_us
        if from_us >= to_us:
            raise ParameterError("from", "must be before as_of, where to is not given")
    return -(-max(from_us, FIRST_US) // MINUTE_US), -(-to_us // MINUTE_US)


def cut_hour(steps: Steps, hour: int) -> ParameterError:
    """The error of steps of which one begins inside this epoch hour, which is kept as a whole."""
    at = format_time(hour * HOUR_MINUTES * MINUTE_US)
    return ParameterError(
        "tz",
        f"{steps.zone} is not whole hours from UTC at {at}, and no minutes are kept there any more: ask for "
        "a later window, or without tz",
    )
