"""Many times at once: as one by one, whatever is among them, and the process survives it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from schemas.times import micros, parse_all, parse_instant

MANY = 2_000  # from 500 on, numpy's own parser of dates ends the process when it meets a wrong one

WRONG = [
    "2026-13-01T00:00:00", "2026-00-01T00:00:00", "2026-01-00T00:00:00", "2026-02-29T00:00:00",
    "2100-02-29T00:00:00", "2024-02-30T00:00:00", "2026-04-31T00:00:00", "2026-01-32T00:00:00",
    "2026-01-01T24:00:00", "2026-01-01T00:60:00", "2026-01-01T00:00:60", "0000-01-01T00:00:00",
    "2026-01-01T00:00:0x", "2026-19-39T29:59:59", "0000-12-31T23:59:59",
]  # fmt: skip


@pytest.mark.parametrize("tail", ["Z", "+05:30", ".123Z", ".123456789-00:00"])
@pytest.mark.parametrize("wrong", WRONG)
def test_one_wrong_among_many_is_refused_alone(wrong: str, tail: str) -> None:
    texts = [f"2024-02-29T23:59:{number % 60:02d}{tail}" for number in range(MANY)]
    texts[777] = wrong + tail
    times, refused = parse_all(texts)
    assert refused == {777}
    assert times[776] == micros(parse_instant(texts[776]))
    assert times[777] == 0


def test_many_are_as_one_by_one() -> None:
    chance = random.Random(1)
    first = datetime(1, 1, 1, tzinfo=UTC)
    moments = [first + timedelta(seconds=chance.randrange(315_000_000_000)) for _ in range(MANY)]
    texts = [moment.isoformat().replace("+00:00", "Z") for moment in moments]
    times, refused = parse_all(texts)
    assert not refused
    assert times.tolist() == [micros(parse_instant(text)) for text in texts]
