"""The SQL that the site prints, run on DuckDB over a Bronze made here, gives the views' own answers."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import pytest

from streams.view_sql.query import sql_of
from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.spec.view import View
from tables.spec.windowed import Quantile
from tables.views import VIEWS
from tests.oracle.views import by_dimensions
from tests.support.bronze import Record, built
from tests.support.feed import windows
from tests.support.feed_records import situation
from tests.support.kafka import Read
from tests.support.view_records import LIMITS, PARTITIONS, feed_of, records

IN_SQL = {name: view for name, view in VIEWS.items() if sql_of(view) is not None}
LONG = LIMITS._replace(dedupe_seconds=10**6)
"""However late an id is repeated, it counts once, as in the SQL."""
QUANTILES = {m.name for view in VIEWS.values() for m in view.measures if isinstance(m, Quantile)}


def write_bronze(folder: Path, reads: list[Read]) -> None:
    """Two ranges a partition, as a worker makes them."""
    for partition in range(PARTITIONS):
        own = [read for read in reads if read.partition == partition]
        for part in (own[: len(own) // 2], own[len(own) // 2 :]):
            given = [Record(read.offset, read.timestamp_ms, read.value) for read in part]
            made = built(given, part[0].offset, partition=partition)
            for path, _, data in made.objects:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)


def rows_of(folder: Path, view: View, answer: dict[str, Any]) -> list[dict[str, Any]]:
    query = sql_of(view, str(folder))
    assert query is not None
    given = {"from": answer["from"], "to": answer["to"], "as_of": answer["as_of"]}
    db = duckdb.connect()
    db.execute("SET TimeZone = 'Asia/Kolkata'")  # of no consequence
    found = db.execute(query, {name: at for name, at in given.items() if f"${name}" in query})
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.mark.parametrize("seed", range(2))
def test_printed_sql_gives_the_views_answers(seed: int, tmp_path: Path) -> None:
    reads = records(seed, in_time=True)
    write_bronze(tmp_path, reads)
    reader = ReaderState(VIEWS, LIMITS.pane_minutes, LIMITS.pane_hours)
    for partition in range(PARTITIONS):
        own = [read for read in reads if read.partition == partition]
        feed = feed_of(own, random.Random(f"{seed}/{partition}"), LONG)
        reader.apply(partition, [(key, value, 0) for key, value in feed.items()], monotonic=0.0)
    newest_us = reader.newest_us()
    assert newest_us
    shown: dict[str, int] = defaultdict(int)
    for name, view in IN_SQL.items():
        for params in windows(name, newest_us):
            query = parse_view_query(view, list(params.items()))
            answer = answer_view(reader, view, query, situation(newest_us / 1e6, partitions=PARTITIONS))
            expected = by_dimensions(name, answer["rows"])
            found = by_dimensions(name, rows_of(tmp_path, view, answer))
            assert found.keys() == expected.keys(), (name, params)
            for key, row in found.items():
                for measure in view.measures:
                    same(measure.name, row[measure.name], expected[key][measure.name])
            shown[name] += len(found)
    assert set(shown) == set(IN_SQL) == set(VIEWS) - {"exp_metric_cuped", "ops_quarantine"}


def same(name: str, found: Any, expected: Any) -> None:
    if name in QUANTILES and None not in (found, expected):
        assert found == pytest.approx(expected, rel=0.0101, abs=1)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-12)
    else:
        assert found == expected, name
