"""What the api answers. Members that a later api adds are passed over; those of an earlier may be missing.

Times are datetimes in UTC (`t` of a row is text, as the api writes it). Rows are flat: a text, a number, a
truth value or None by the name of a dimension or measure; amounts are integers in the currency's minor unit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

Row = dict[str, Any]


class ViewInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A view as /v1/views lists it. `states`: those that its entities can be asked for, empty without any."""

    name: str
    kind: str
    dimensions: list[str]
    measures: list[str]
    description: str
    states: list[str] = []
    former: str | None = None


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """How far one source partition has come. `checkpoint_offset`: the next offset to be folded."""

    topic: str
    partition: int
    watermark: datetime | None = None
    checkpoint_offset: int | None = None
    lag_records: int | None = None
    incomplete_because: str | None = None


class ViewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A view's rows, and how far they can be trusted. `start`, `end`: the window, [start, end)."""

    view: str
    kind: str
    as_of: datetime
    start: datetime | None = msgspec.field(default=None, name="from")
    end: datetime | None = msgspec.field(default=None, name="to")
    watermark: datetime | None = None
    freshness_seconds: float | None = None
    complete: bool
    since: datetime | None = None
    partitions: list[Partition] = []
    incomplete_because: list[str] = []
    warnings: list[str] = []
    rows: list[Row]


class EntityPage(ViewAnswer, frozen=True, kw_only=True):
    """A page of entities. `cursor`: of the next one, None on the last."""

    state: str | None = None
    cursor: str | None = None


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A gate's newest record, as it counts now."""

    gate: str
    city: str | None
    currency: str
    state: str
    open: bool
    previous: str | None = None
    since: datetime
    evaluated_at: datetime
    valid_until: datetime
    variance_minor: int
    variance_ratio: float | None = None
    charges_minor: int
    window_from: datetime
    window_to: datetime
    reason: str | None = None
    warn_at: float | None = None
    alarm_at: float | None = None


class GatesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All gates that may be seen."""

    gate: str
    as_of: datetime
    warnings: list[str] = []
    rows: list[Gate]


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm. `state`: raised, cleared; `runbook`: where it is written what to do."""

    alarm_id: str
    code: str
    severity: str
    subject: str
    state: str
    raised_at: datetime
    cleared_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    acknowledged_reason: str | None = None
    detail: str
    meaning: str = ""
    runbook: str = ""


class PipelinePartition(msgspec.Struct, frozen=True, kw_only=True):
    """A source partition, as views and Bronze have it. `heard_seconds`: how long ago its worker reported."""

    topic: str
    partition: int
    worker: str | None = None
    heard_seconds: float | None = None
    watermark: datetime | None = None
    checkpoint_offset: int | None = None
    lag_records: int | None = None
    freshness_seconds: float | None = None
    incomplete_because: str | None = None
    bronze_offset: int | None = None
    bronze_lag_records: int | None = None
    bronze_oldest_seconds: float | None = None


class ViewStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a view can be trusted."""

    view: str
    complete: bool
    freshness_seconds: float | None = None
    incomplete_because: list[str] = []


class PipelineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads what, how far it is, and which views can be trusted."""

    as_of: datetime
    bronze_unknown_because: str | None = None
    views: list[ViewStatus]
    rows: list[PipelinePartition]


class AlarmsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Alarms, open ones first. `unknown_because`: why newer ones may be missing. `open`: how many of all that
    may be seen are, `critical`: how many of these are so; `total`: how many there are of what was asked for,
    None from an api that does not say it."""

    as_of: datetime
    unknown_because: str | None = None
    open: int
    critical: int = 0
    total: int | None = None
    rows: list[Alarm]
