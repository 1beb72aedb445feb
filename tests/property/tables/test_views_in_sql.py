"""Every view over seeded, disordered, repeated and spoilt records of every event, with a crash in the middle,
is what SQL says of the same records."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.views import VIEWS
from tests.oracle.queries import LATEST_VIEWS
from tests.oracle.views import VIEWS as IN_SQL
from tests.oracle.views import Oracle
from tests.support.feed import view_differences, windows
from tests.support.feed_records import TOPIC, situation
from tests.support.view_records import LIMITS, PARTITIONS, feed_of, records


@pytest.mark.parametrize("seed", range(3))
def test_every_view_is_what_sql_says(seed: int, tmp_path: Path) -> None:
    assert set(IN_SQL) == set(VIEWS)
    reads = records(seed)
    oracle = Oracle({TOPIC: reads}, tmp_path, pane_hours=LIMITS.pane_hours)
    reader, shown = ReaderState(VIEWS, LIMITS.pane_minutes, LIMITS.pane_hours), Counter[str]()
    for partition in range(PARTITIONS):
        own = [read for read in reads if read.partition == partition]
        feed = feed_of(own, random.Random(f"{seed}/{partition}"))
        reader.apply(partition, [(key, value, 0) for key, value in feed.items()], monotonic=0.0)
    newest_us = oracle.newest_us()
    assert newest_us is not None
    for name, view in VIEWS.items():
        for params in windows(name, newest_us):
            query = parse_view_query(view, list(params.items()))
            answer = answer_view(reader, view, query, situation(newest_us / 1e6, partitions=PARTITIONS))
            assert view_differences(oracle, {name: answer}) == []
            shown[name] += len(answer["rows"])
    assert all(shown[name] for name in VIEWS)
    assert {name for name, view in VIEWS.items() if view.kind != "windowed"} == set(LATEST_VIEWS)
    counts = oracle.counts()
    assert counts["duplicate"]
    assert counts["bad"]
