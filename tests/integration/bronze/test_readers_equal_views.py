"""What is read of Bronze as docs/readers.md counts is what the views say; `make readers` runs all readers."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.embedded.broker import EmbeddedKafka
from tests.support.readers.market import figures, write
from tests.support.readers.recipes import run_as_views

pytestmark = pytest.mark.timeout(240)  # a views worker, an api and Bronze, up to a minute each


async def test_duckdb_counts_over_bronze_what_the_views_say(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    market = await write(tmp_path, kafka.bootstrap, prefix)
    assert figures(run_as_views("DuckDB", str(market.folder), market.day)) == market.views
