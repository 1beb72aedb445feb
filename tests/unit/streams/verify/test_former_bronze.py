"""What a proof reads of former Bronzes: the records below offset 0, where they would have been."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from schemas.validation.validator import Validator
from streams.store.local import LocalStore
from streams.verify.answer import Answer, Span
from streams.verify.bronze_source import BronzeSource
from streams.verify.records import Records
from streams.verify.wish import Wish, own_wish
from tables.views import VIEWS
from tests.support.feed_records import TOPIC
from tests.support.former_bronze import FIRST, NEWER, write_two
from tests.support.proofs import MEMORY_MB

SAID: dict[str, Any] = {
    "as_of": "2026-03-01T13:00:00Z", "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z",
    "since": None, "rows": [],
}  # fmt: skip


def answer(first: int, following: int) -> Answer:
    partition = {
        "topic": TOPIC, "partition": 0, "first_offset": first, "checkpoint_offset": following,
        "watermark": "2026-03-01T12:00:00Z",
    }  # fmt: skip
    return Answer.of(VIEWS["ops_quarantine"], {**SAID, "partitions": [partition]})


async def validator() -> Validator:
    return Validator()


async def loaded(tmp_path: Path, given: Answer, former: Sequence[Path]) -> tuple[list[int], list[str]]:
    """The offsets of what is loaded, and what is missing."""
    bronze = BronzeSource(LocalStore(tmp_path / "now"), given, validator, [LocalStore(one) for one in former])
    assert await bronze.look() == {(TOPIC, 0): 0}
    folder = tmp_path / "scratch"
    folder.mkdir()
    spans = [Span(TOPIC, 0, given.spans[0].first, given.spans[0].next, None)]
    records = Records(folder, spans, memory_mb=MEMORY_MB, pane_hours=840, kept=["search.click"])
    wish: Wish = own_wish(given).everything
    try:
        missing = await bronze.load(records, wish, lambda _: None)
        rows = await records.rows('SELECT "offset" FROM loaded UNION ALL SELECT "offset" FROM bad')
    finally:
        await records.close()
    return sorted(row["offset"] for row in rows), missing


@pytest.mark.parametrize(("first", "following"), [(FIRST, 0), (FIRST + 2, 0), (-NEWER, -1), (FIRST, -NEWER)])
async def test_each_record_is_where_it_comes_before_those_of_now(
    tmp_path: Path, first: int, following: int
) -> None:
    found, missing = await loaded(tmp_path, answer(first, following), write_two(tmp_path))
    assert found == list(range(first, following))
    assert missing == []


async def test_what_no_former_bronze_has_is_told(tmp_path: Path) -> None:
    _, newer = write_two(tmp_path)
    found, missing = await loaded(tmp_path, answer(FIRST, 0), [newer])
    assert found == list(range(-NEWER, 0))
    assert missing == [f"{TOPIC}-0 offsets {FIRST} to {-NEWER - 1} (SLUICE_BRONZE_FORMER)"]
