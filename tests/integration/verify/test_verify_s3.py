"""A proof over a Bronze in S3."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from schemas.validation.validator import Validator
from streams.store.s3 import S3ObjectStore
from streams.verify.answer import Answer
from streams.verify.bronze_source import BronzeSource
from streams.verify.proof import State, prove
from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.views import VIEWS
from tests.support.bronze_folder import write_bronze
from tests.support.feed_records import situation
from tests.support.proofs import SECONDS, bench
from tests.support.s3 import BUCKET, S3Server
from tests.support.view_records import LIMITS, PARTITIONS, reader_of, records


async def test_it_is_read_through_the_store_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = records(3, in_time=True)
    reader = reader_of(reads)
    view = VIEWS["kpi_gmv"]
    query = parse_view_query(view, [("window", "6h")])
    now = situation((reader.newest_us() or 0) / 1e6, partitions=PARTITIONS)
    answer = Answer.of(view, answer_view(reader, view, query, now))
    folder = tmp_path / "bronze"
    write_bronze(folder, reads, ranges=5)
    with S3Server("moto", tmp_path) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        store = S3ObjectStore(BUCKET, "some/prefix")
        files = [path for path in folder.rglob("*") if path.is_file()]
        objects = [(str(path.relative_to(folder)), path.read_bytes()) for path in files]
        assert [one for one in await store.create_all(objects) if one is not None] == []

        async def validator() -> Validator:
            return Validator()

        bronze = BronzeSource(store, answer, validator)
        await bronze.wait(SECONDS, lambda _: None, time.monotonic())
        with_ = bench(pane_hours=LIMITS.pane_hours)
        verdict = await prove(answer, bronze, with_, SECONDS, lambda _: None)
    assert (verdict.state, verdict.differences) == (State.EQUAL, [])
    assert len(answer.rows) > 2
