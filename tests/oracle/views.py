"""What has to come of raw topics: records judged, what counts of them, and the views (queries.py).

Nothing here comes from `tables`: it is what the views are held against.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from tests.oracle.judge import CATALOGUE, MARKS, Bad, Good, judge, parse_time, told
from tests.oracle.queries import DIMENSIONS, QUERIES
from tests.support.kafka import Read

_TEXTS = (
    "currency", "kind", "payout_id", "dispute_id", "booking_id", "subject_kind", "subject_id", "bucket",
    "outcome", "campaign_id", "channel", "reason", "exp_key", "variant", "user_id", "source",
)  # fmt: skip
_COLUMNS = {
    "topic": "VARCHAR", "partition": "INTEGER", "position": "BIGINT", "kafka_ms": "BIGINT",
    "event_id": "VARCHAR", "event": "VARCHAR", "occurred_us": "BIGINT", "city": "VARCHAR",
    "amount": "BIGINT", "due_us": "BIGINT", "respond_us": "BIGINT", "accept_us": "BIGINT",
    "valid": "BOOLEAN", "quantity": "BIGINT", "covariate": "DOUBLE",
    **dict.fromkeys(_TEXTS, "VARCHAR"),
}  # fmt: skip

_BAD_COLUMNS = {
    "topic": "VARCHAR", "partition": "INTEGER", "position": "BIGINT", "kafka_ms": "BIGINT",
    **dict.fromkeys(("event", "source", "city", "reason"), "VARCHAR"),
}  # fmt: skip

# `folded`: what changes views. First occurrences are chains: the first record of an id, then the first one
# beyond the window that it opened, and so on. Late is judged against the newest event before it.
_FOLDED = """
CREATE MACRO floor_div(a, n) AS (a - ((a % n) + n) % n) // n;

CREATE TABLE first_seen AS
WITH RECURSIVE chain AS (
    SELECT topic, partition, event_id, min(position) AS position FROM accepted GROUP BY ALL
    UNION ALL
    SELECT later.topic, later.partition, later.event_id, min(later.position)
    FROM chain
    JOIN accepted AS opener USING (topic, partition, position)
    JOIN accepted AS later
      ON later.topic = chain.topic AND later.partition = chain.partition AND later.event_id = chain.event_id
     AND later.position > chain.position AND later.kafka_ms > opener.kafka_ms + $dedupe_ms
    GROUP BY later.topic, later.partition, later.event_id
)
SELECT topic, partition, position FROM chain;

CREATE TABLE judged AS
SELECT *, floor_div(occurred_us, 3600000000) AS hour,
       max(occurred_us) OVER before AS newest_us,
       floor_div(max(occurred_us) OVER (PARTITION BY topic, partition), 3600000000) AS last_hour
FROM accepted SEMI JOIN first_seen USING (topic, partition, position)
WINDOW before AS (PARTITION BY topic, partition ORDER BY position);

CREATE TABLE folded AS SELECT * FROM judged WHERE occurred_us >= newest_us - $pane_hours * 3600000000;

CREATE TABLE refused AS
SELECT *, floor_div(occurred_us, 3600000000) AS hour FROM (
    SELECT bad.*,
           (SELECT max(last_hour) FROM judged
            WHERE judged.topic = bad.topic AND judged.partition = bad.partition) AS last_hour,
           CASE WHEN kafka_ms >= 0 THEN kafka_ms * 1000 ELSE coalesce(
               (SELECT max(judged.occurred_us) FROM judged WHERE judged.topic = bad.topic
                AND judged.partition = bad.partition AND judged.position < bad.position), 0)
           END AS occurred_us
    FROM bad);
"""

QUANTILES = ("booking_minor_p50", "booking_minor_p95")
"""These are within 1 % of the exact value, which the SQL finds; all other numbers are equal."""

VIEWS = tuple(QUERIES)

Row = dict[str, Any]


class BadRecord(NamedTuple):
    """A record that belongs into the quarantine, and why."""

    topic: str
    read: Read
    why: Bad


class Oracle:
    """What has to come of the raw topics. `records`: topic → its records in partition order."""

    def __init__(
        self,
        records: Mapping[str, Sequence[Read]],
        scratch: Path,
        *,
        pane_hours: int = 840,
        dedupe_seconds: int = 3600,
        max_event_bytes: int = 65_536,
    ) -> None:
        self.bad: list[BadRecord] = []
        self._pane_hours = pane_hours
        accepted, refused = [], []
        for topic, reads in records.items():
            for read in reads:
                verdict = judge(read.value, read.timestamp_ms, max_event_bytes)
                if isinstance(verdict, Bad):
                    self.bad.append(BadRecord(topic, read, verdict))
                    refused.append(_bad_line(topic, read, verdict))
                else:
                    accepted.append(_line(topic, read, verdict))
        self._db = duckdb.connect()
        self._db.execute("SET threads = 1")
        self._db.create_function("erfc", math.erfc, ["DOUBLE"], "DOUBLE")
        self._load("accepted", _COLUMNS, accepted, scratch)
        self._load("bad", _BAD_COLUMNS, refused, scratch)
        for statement in _FOLDED.split(";"):
            if statement.strip():
                named = {"dedupe_ms": dedupe_seconds * 1000, "pane_hours": pane_hours}
                self._db.execute(
                    statement, {key: value for key, value in named.items() if f"${key}" in statement}
                )

    def _load(self, table: str, columns: Mapping[str, str], lines: Sequence[Row], scratch: Path) -> None:
        self._db.execute(
            f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})"
        )
        if not lines:
            return
        file = scratch / f"{table}.ndjson"
        with file.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(line) + "\n" for line in lines)
        kinds = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
        source = f"read_json('{file}', format='newline_delimited', columns={{{kinds}}})"
        self._db.execute(f"INSERT INTO {table} SELECT * FROM {source}")

    def rows(
        self, view: str, *, from_us: int = -(2**62), to_us: int = 2**62, as_of_us: int = 0
    ) -> dict[tuple[str | None, ...], Row]:
        """A view's rows by their dimensions, over the panes that start in [from_us, to_us)."""
        named = {"pane_hours": self._pane_hours, "from_us": from_us, "to_us": to_us, "as_of_us": as_of_us}
        sql = QUERIES[view]
        result = self._db.execute(sql, {key: value for key, value in named.items() if f"${key}" in sql})
        names = [column[0] for column in result.description]
        return by_dimensions(view, [dict(zip(names, row, strict=True)) for row in result.fetchall()])

    def forget_before(self, offsets: Mapping[int, int]) -> None:
        """What is left is what a view has that began at these offsets (of one topic, by partition)."""
        for partition, offset in offsets.items():
            for table in ("folded", "refused"):
                self._db.execute(
                    f"DELETE FROM {table} WHERE partition = ? AND position < ?", [partition, offset]
                )

    def counts(self) -> dict[str, int]:
        """How many records were accepted, duplicate, late_dropped, and bad."""
        ((accepted, first_seen, folded),) = self._db.execute(
            "SELECT (SELECT count(*) FROM accepted), (SELECT count(*) FROM judged), count(*) FROM folded"
        ).fetchall()
        return {
            "folded": folded, "duplicate": accepted - first_seen, "late_dropped": first_seen - folded,
            "bad": len(self.bad),
        }  # fmt: skip

    def newest_us(self) -> int | None:
        """The newest time of an event that is no duplicate."""
        ((newest,),) = self._db.execute("SELECT max(occurred_us) FROM judged").fetchall()
        return None if newest is None else int(newest)


def by_dimensions(view: str, rows: Iterable[Row]) -> dict[tuple[str | None, ...], Row]:
    """Rows by their dimensions. Rows of nothing but zeros are left out: whether to show them is left open."""
    found: dict[tuple[str | None, ...], Row] = {}
    for row in rows:
        key = tuple(row[name] for name in DIMENSIONS[view])
        measures = {name: value for name, value in row.items() if name not in DIMENSIONS[view]}
        assert key not in found, f"{view}: two rows for {key}"
        if any(measures.values()):
            found[key] = measures
    return found


def differences(view: str, expected: Mapping[Any, Row], shown: Mapping[Any, Row]) -> list[str]:
    """What differs, one line each; ratios and ages may differ by a rounding, quantiles by 1 %."""
    found = [f"{view} {key}: a row too many: {shown[key]}" for key in shown.keys() - expected.keys()]
    for key, row in expected.items():
        if key not in shown:
            found.append(f"{view} {key}: missing: {row}")
            continue
        if row.keys() != shown[key].keys():
            found.append(f"{view} {key}: measures {sorted(shown[key])}, not {sorted(row)}")
        for name, value in row.items():
            if not _same(name, value, shown[key].get(name)):
                found.append(f"{view} {key}: {name} is {shown[key].get(name)!r}, not {value!r}")
    return found


def _same(name: str, expected: Any, shown: Any) -> bool:
    if name in QUANTILES and isinstance(expected, int) and isinstance(shown, int):
        return abs(expected - shown) * 100 <= expected
    if isinstance(expected, float) and isinstance(shown, int | float):
        return abs(expected - shown) <= 1e-9 * max(1.0, abs(expected))
    return bool(expected == shown)


def _line(topic: str, read: Read, good: Good) -> Row:
    payload = good.payload
    times = {"due_us": "due_at", "respond_us": "respond_by", "accept_us": "accept_by"}
    return {
        "topic": topic, "partition": read.partition, "position": read.offset, "kafka_ms": read.timestamp_ms,
        "event_id": good.event_id, "event": good.event, "occurred_us": good.occurred_us, "city": good.city,
        "amount": payload.get("amount_minor"),
        **{column: parse_time(payload[name]) for column, name in times.items() if name in _declared(good)},
        "valid": payload.get("valid", True), "quantity": payload.get("quantity", 1),
        "covariate": payload.get("covariate"),
        **{name: payload.get(name) for name in _TEXTS if name in _declared(good)},
        "source": good.source,
    }  # fmt: skip


def _bad_line(topic: str, read: Read, why: Bad) -> Row:
    return {
        "topic": topic, "partition": read.partition, "position": read.offset, "kafka_ms": read.timestamp_ms,
        "reason": why.reason, **told(read.value, why)._asdict(),
    }  # fmt: skip


def _declared(good: Good) -> list[str]:
    return [field.rstrip(MARKS) for field in CATALOGUE[good.event].split()]
