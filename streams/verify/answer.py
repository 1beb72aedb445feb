"""What is to be proved: the rows of a view that the api has answered, and the records that they rest on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from schemas.times import DAY_US, format_time, instant_us
from tables.spec.view import View
from tables.times import HOUR_US, MINUTE_US

Row = dict[str, Any]
Filters = Mapping[str, Collection[str | None]]
"""Dimension → the values that are asked for."""

OTHER, CURRENCY = "_other", "currency"
"""What groups beyond SLUICE_MAX_GROUPS are summed as, and the dimension that never is."""


SPAN_MEMBERS = ("topic", "partition", "first_offset", "checkpoint_offset")


class UnfitAnswerError(Exception):
    """What the api has answered cannot be proved. `str()` says why, and what to do."""


class Span(NamedTuple):
    """What of a source partition an answer rests on: the records at the offsets [first, next), of which the
    newest event is of `watermark_us` (None: there is no event)."""

    topic: str
    partition: int
    first: int
    next: int
    watermark_us: int | None

    @property
    def name(self) -> str:
        """`topic-partition`."""
        return f"{self.topic}-{self.partition}"

    def first_hour(self, pane_hours: int) -> int | None:
        """The first epoch hour whose panes are kept; None while all are."""
        return None if self.watermark_us is None else self.watermark_us // HOUR_US - pane_hours


@dataclass(frozen=True)
class Answer:
    """An answer of /v1/views/{name}. Times are text as the api writes them; `start`, `end`: the window of
    whole panes, None of a view without one. `because`: why it is not complete. `known`: the partitions of
    which it says up to where it has them. `newest_us`: the newest event of all partitions. `group_by`: the
    dimensions of its rows, of which it has those alone that `filters` let through. `sums_others`: some of the
    view's groups are summed as `_other`, whether the filters let that through or not."""

    view: View
    as_of: str
    start: str | None
    end: str | None
    since_us: int | None
    because: tuple[str, ...]
    known: frozenset[str]
    spans: tuple[Span, ...]
    newest_us: int | None
    rows: tuple[Row, ...]
    group_by: tuple[str, ...]
    filters: Filters
    sums_others: bool

    @classmethod
    def of(
        cls,
        view: View,
        said: Mapping[str, Any],
        group_by: Sequence[str] | None = None,
        filters: Filters | None = None,
        *,
        sums_others: bool = False,
    ) -> Answer:
        """From the api's JSON. `group_by`, `filters`: what was asked for; `sums_others`: it is known to, by
        an answer without filters. Raises `UnfitAnswerError`."""
        try:
            since = said["since"]
            by = view.dimensions if group_by is None else tuple(group_by)
            rows = tuple([_row(one, by) for one in said["rows"]])
            spans = [span for one in said["partitions"] if (span := _span(one)) is not None]
            return cls(
                view=view,
                as_of=said["as_of"],
                start=said["from"],
                end=said["to"],
                since_us=None if since is None else instant_us(since),
                because=tuple(said.get("incomplete_because", ())),
                known=frozenset(span.name for span in spans),
                spans=tuple(span for span in spans if span.first < span.next),
                newest_us=max(filter(None, map(_watermark_us, said["partitions"])), default=None),
                rows=rows,
                group_by=by,
                filters=filters or {},
                sums_others=sums_others or any(row[name] == OTHER for row in rows for name in by),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UnfitAnswerError(
                f"what the api answers of {view.name} is not what this release knows ({error}): run one"
                " release of both"
            ) from None

    @property
    def lacking(self) -> tuple[str, ...]:
        """Why whole partitions may be missing from it: what is the matter with none of those that it has."""
        known = tuple(f"{name}: " for name in self.known)
        return tuple(why for why in self.because if not why.startswith(known))

    @property
    def partial_until(self) -> str | None:
        """The time before which events may be missing from it, if that is in its window; None: it has all."""
        if self.since_us is None:
            return None
        if self.start is not None and self.view.tracks is None and instant_us(self.start) >= self.since_us:
            return None
        return format_time(self.since_us)

    @property
    def days(self) -> tuple[int, int] | None:
        """The first and the last day of its window, counted from 1970-01-01 (UTC); None without one."""
        if self.start is None or self.end is None:
            return None
        return instant_us(self.start) // DAY_US, (instant_us(self.end) - 1) // DAY_US

    @property
    def times(self) -> dict[str, str | None]:
        """Its window and its time, as parameters of the view's SQL."""
        return {"from": self.start, "to": self.end, "as_of": self.as_of}

    @property
    def minutes(self) -> dict[str, int]:
        """Its window in minutes since 1970, likewise."""
        assert self.start is not None
        assert self.end is not None
        first, end = instant_us(self.start), instant_us(self.end)
        return {"from_minute": first // MINUTE_US, "to_minute": -(-end // MINUTE_US)}

    def wants(self, row: Row) -> bool:
        """Whether the filters let a row through."""
        return all(row[name] in values for name, values in self.filters.items())

    def told(self) -> dict[str, Any]:
        """What it is of, without its rows."""
        spans = [(one.topic, one.partition, one.first, one.next) for one in self.spans]
        return {
            "as_of": self.as_of,
            "from": self.start,
            "to": self.end,
            "group_by": list(self.group_by),
            "rows": len(self.rows),
            "partitions": [dict(zip(SPAN_MEMBERS, span, strict=True)) for span in spans],
        }

    @property
    def never_other(self) -> tuple[str, ...]:
        """Those of the view's dimensions that are never `_other`."""
        return tuple(name for name in self.view.dimensions if name == CURRENCY)


def _row(row: Row, by: Iterable[str]) -> Row:
    """The row, which has these dimensions. Raises `KeyError`."""
    for name in by:
        _ = row[name]
    return row


def _span(partition: Mapping[str, Any]) -> Span | None:
    """None of a partition of which it is not known what the view has."""
    first, following = partition["first_offset"], partition["checkpoint_offset"]
    if first is None or following is None:
        return None
    return Span(partition["topic"], partition["partition"], first, following, _watermark_us(partition))


def _watermark_us(partition: Mapping[str, Any]) -> int | None:
    watermark = partition["watermark"]
    return None if watermark is None else instant_us(watermark)
