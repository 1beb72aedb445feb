"""The four views as SQL (DuckDB) over the accepted events of the raw topics, from docs/contract.md §3.

Nothing here comes from `tables`: it is what the views are held against. Sums are HUGEINT, hence exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from tests.oracle.judge import Bad, Good, judge, parse_time
from tests.support.kafka import Read

_COLUMNS = {
    "topic": "VARCHAR", "partition": "INTEGER", "position": "BIGINT", "kafka_ms": "BIGINT",
    "event_id": "VARCHAR", "event": "VARCHAR", "occurred_us": "BIGINT", "city": "VARCHAR",
    "amount": "BIGINT", "currency": "VARCHAR", "kind": "VARCHAR", "payout_id": "VARCHAR", "due_us": "BIGINT",
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
"""

_IN_WINDOW = """
    FROM folded WHERE hour >= last_hour - $pane_hours
     AND floor_div(occurred_us, 60000000) * 60000000 >= $from_us
     AND floor_div(occurred_us, 60000000) * 60000000 < $to_us
"""

_LATEST = """
    SELECT *, event = 'payout.initiated' AS open, event = 'payout.failed' AS failed FROM folded
    WHERE event IN ('payout.initiated', 'payout.failed', 'payout.canceled', 'payout.paid')
    QUALIFY row_number() OVER (PARTITION BY payout_id ORDER BY occurred_us DESC,
        CASE event WHEN 'payout.initiated' THEN 0 WHEN 'payout.failed' THEN 1
                   WHEN 'payout.canceled' THEN 2 ELSE 3 END DESC,
        event_id DESC) = 1
"""

_VIEWS = {
    "ops_payout_backlog": f"""
        SELECT city, currency,
               count(*) FILTER (open) AS open,
               coalesce(sum(amount) FILTER (open), 0) AS open_minor,
               count(*) FILTER (open AND due_us < $as_of_us) AS overdue,
               coalesce(sum(amount) FILTER (open AND due_us < $as_of_us), 0) AS overdue_minor,
               count(*) FILTER (failed) AS failed,
               coalesce(sum(amount) FILTER (failed), 0) AS failed_minor,
               count(*) FILTER (open OR failed) AS backlog,
               coalesce(sum(amount) FILTER (open OR failed), 0) AS backlog_minor,
               ($as_of_us - min(occurred_us) FILTER (open)) / 1e6 AS oldest_seconds
        FROM ({_LATEST}) GROUP BY ALL""",
    "ops_recon_variance": f"""
        SELECT *, charges_minor - (payouts_minor + refunds_minor + fees_minor) AS variance_minor,
               abs(variance_minor) AS abs_variance_minor,
               CASE WHEN charges_minor <> 0 THEN abs_variance_minor / charges_minor::DOUBLE END
                   AS variance_ratio
        FROM (SELECT city, currency,
                     coalesce(sum(amount) FILTER (event = 'charge.succeeded'), 0) AS charges_minor,
                     coalesce(sum(amount) FILTER (event = 'payout.paid'), 0) AS payouts_minor,
                     coalesce(sum(amount) FILTER (event = 'refund.succeeded'), 0) AS refunds_minor,
                     coalesce(sum(amount) FILTER (event = 'fee.assessed'), 0) AS fees_minor
              {_IN_WINDOW}
               AND event IN ('charge.succeeded', 'payout.paid', 'refund.succeeded', 'fee.assessed')
              GROUP BY ALL)""",
    "kpi_gmv": f"""
        SELECT * EXCLUDE (booked),
               CASE WHEN gmv_minor <> 0 THEN platform_fees_minor / gmv_minor::DOUBLE END AS take_rate
        FROM (SELECT city, currency,
                     count(*) FILTER (event = 'booking.confirmed') AS bookings,
                     coalesce(sum(amount) FILTER (event = 'booking.confirmed'), 0) AS gmv_minor,
                     count(*) FILTER (event = 'booking.cancelled') AS cancellations,
                     coalesce(sum(amount) FILTER (event = 'booking.cancelled'), 0) AS cancelled_minor,
                     coalesce(sum(amount) FILTER (event = 'fee.assessed'), 0) AS platform_fees_minor,
                     list_sort(list(amount) FILTER (event = 'booking.confirmed')) AS booked,
                     booked[greatest(1, (50 * len(booked) + 99) // 100)] AS booking_minor_p50,
                     booked[greatest(1, (95 * len(booked) + 99) // 100)] AS booking_minor_p95
              {_IN_WINDOW}
               AND (event IN ('booking.confirmed', 'booking.cancelled')
                    OR (event = 'fee.assessed' AND kind = 'platform'))
              GROUP BY ALL)""",
    "kpi_funnel": f"""
        SELECT *, CASE WHEN impressions <> 0 THEN clicks / impressions::DOUBLE END AS click_rate,
               CASE WHEN clicks <> 0 THEN profile_views / clicks::DOUBLE END AS view_rate,
               CASE WHEN profile_views <> 0 THEN checkouts / profile_views::DOUBLE END AS checkout_rate,
               CASE WHEN checkouts <> 0 THEN confirms / checkouts::DOUBLE END AS confirm_rate
        FROM (SELECT city,
                     count(*) FILTER (event = 'search.impression') AS impressions,
                     count(*) FILTER (event = 'search.click') AS clicks,
                     count(*) FILTER (event = 'profile.view') AS profile_views,
                     count(*) FILTER (event = 'checkout.start') AS checkouts,
                     count(*) FILTER (event = 'booking.confirmed') AS confirms
              {_IN_WINDOW}
               AND event IN ('search.impression', 'search.click', 'profile.view', 'checkout.start',
                             'booking.confirmed')
              GROUP BY ALL)""",
}

QUANTILES = ("booking_minor_p50", "booking_minor_p95")
"""These are within 1 % of the exact value, which the SQL finds; all other numbers are equal."""

DIMENSIONS = {name: ("city",) if name == "kpi_funnel" else ("city", "currency") for name in _VIEWS}
VIEWS = tuple(_VIEWS)

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
        accepted = []
        for topic, reads in records.items():
            for read in reads:
                verdict = judge(read.value, read.timestamp_ms, max_event_bytes)
                if isinstance(verdict, Bad):
                    self.bad.append(BadRecord(topic, read, verdict))
                else:
                    accepted.append(_line(topic, read, verdict))
        self._db = duckdb.connect()
        self._db.execute("SET threads = 1")
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        self._db.execute(f"CREATE TABLE accepted ({columns})")
        if accepted:
            self._load(accepted, scratch / "accepted.ndjson")
        for statement in _FOLDED.split(";"):
            if statement.strip():
                named = {"dedupe_ms": dedupe_seconds * 1000, "pane_hours": pane_hours}
                self._db.execute(
                    statement, {key: value for key, value in named.items() if f"${key}" in statement}
                )

    def _load(self, lines: Iterable[Row], file: Path) -> None:
        with file.open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(line) + "\n" for line in lines)
        kinds = ", ".join(f"{name}: '{kind}'" for name, kind in _COLUMNS.items())
        source = f"read_json('{file}', format='newline_delimited', columns={{{kinds}}})"
        self._db.execute(f"INSERT INTO accepted SELECT * FROM {source}")

    def rows(
        self, view: str, *, from_us: int = -(2**62), to_us: int = 2**62, as_of_us: int = 0
    ) -> dict[tuple[str | None, ...], Row]:
        """A view's rows by their dimensions, over the panes that start in [from_us, to_us)."""
        named = {"pane_hours": self._pane_hours, "from_us": from_us, "to_us": to_us, "as_of_us": as_of_us}
        sql = _VIEWS[view]
        result = self._db.execute(sql, {key: value for key, value in named.items() if f"${key}" in sql})
        names = [column[0] for column in result.description]
        return by_dimensions(view, [dict(zip(names, row, strict=True)) for row in result.fetchall()])

    def forget_before(self, offsets: Mapping[int, int]) -> None:
        """What is left is what a view has that began at these offsets (of one topic, by partition)."""
        for partition, offset in offsets.items():
            self._db.execute("DELETE FROM folded WHERE partition = ? AND position < ?", [partition, offset])

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
    due_at = payload.get("due_at") if good.event == "payout.initiated" else None
    return {
        "topic": topic, "partition": read.partition, "position": read.offset, "kafka_ms": read.timestamp_ms,
        "event_id": good.event_id, "event": good.event, "occurred_us": good.occurred_us, "city": good.city,
        "amount": payload.get("amount_minor"), "currency": payload.get("currency"),
        "kind": payload.get("kind"),
        "payout_id": payload.get("payout_id"), "due_us": None if due_at is None else parse_time(due_at),
    }  # fmt: skip
