"""The recipes of docs/readers.md for DuckDB as they stand there; `make readers` runs those of all readers."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.store.bronze_verify import verify
from streams.store.local import LocalStore
from tests.support.readers.recipes import run
from tests.support.readers.store import LAYOUT_OF_ALL, VALUES, Expected, finish, found_by, write


def found(name: str, folder: Path) -> Expected:
    return found_by(run(name, str(folder)))


@pytest.mark.parametrize("domains", [(), ("search",), LAYOUT_OF_ALL])
async def test_duckdb_reads_what_was_sent(tmp_path: Path, domains: tuple[str, ...]) -> None:
    store = LocalStore(tmp_path)
    committed = await write(store, *domains)
    assert found("By commits", tmp_path) == committed
    assert (await verify(store)).unfinished > 0, "a range is open"
    everything = await finish(store)
    assert found("By commits", tmp_path) == everything
    if domains != ("search",):  # two depths at once are no table of Hive's
        assert found("DuckDB", tmp_path) == everything
    verdict = await verify(store)
    assert verdict.problems == []
    assert verdict.unfinished == 0
    assert verdict.rows == sum(everything.counts.values()) + VALUES.count(b"no event")
