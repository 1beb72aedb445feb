"""Instants parsed together are those parsed one by one."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st

from schemas.times import FIRST, FIRST_US, LAST, LAST_US, micros, parse_all, parse_instant
from tests.support.examples import examples

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STRICT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)

times = st.builds(datetime.isoformat, st.datetimes(), st.sampled_from("TTTTTt "))
offsets = st.sampled_from(
    ["Z", "z", "+00:00", "-00:00", "+05:30", "-23:59", "+24:00", "+05:60", "+0530", "", "+05", "Z\n"]
)
shapes = st.from_regex(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
    r"(\.[0-9]{0,11})?(Z|[+,-][0-2][0-9]:[0-6][0-9])",
    fullmatch=True,
)


def uniform(digits: int) -> st.SearchStrategy[str]:
    return st.from_regex(
        rf"[0-9]{{4}}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{{{digits}}}Z",
        fullmatch=True,
    )


texts = st.one_of(st.builds(str.__add__, times, offsets), shapes, st.text(max_size=30))


def one_by_one(items: list[str]) -> tuple[list[int], set[int]]:
    times, refused = [0] * len(items), set()
    for index, text in enumerate(items):
        try:
            times[index] = micros(parse_instant(text))
        except ValueError:
            refused.add(index)
    return times, refused


def together(items: list[str]) -> tuple[list[int], set[int]]:
    times, refused = parse_all(items)
    return times.tolist(), refused


@examples(300)
@given(texts, st.integers(12, 20))
@example("2026-03-01T12:00:00Z\n2026-03-01T12:00:00Z", 12)
@example("2026-03-01T12:00:00,05:30", 12)
@example("0001-01-01T00:00:00Z", 12)
@example("0001-01-01T23:59:00+23:59", 12)
@example("0001-01-01T23:58:59.999999+23:59", 12)
@example("0000-12-31T23:59:59-00:01", 12)
@example("9999-12-31T23:59:59.999999+00:01", 12)
@example("9999-12-31T23:59:59.999999-00:01", 12)
@example("9999-12-31T23:59:59.999999999Z", 12)
@example("1969-12-31T23:59:59.9999995Z", 12)
@example("2600-12-31T23:59:59.999999Z", 12)
@example("1960-03-01T12:00:00.123456499+05:30", 12)
def test_many_of_one_form(text: str, count: int) -> None:
    assert together([text] * count) == one_by_one([text] * count)


@examples(200)
@given(st.lists(texts, max_size=8), st.integers(0, 15))
def test_many_of_many_forms(items: list[str], repeats: int) -> None:
    items = items * repeats
    assert together(list(items)) == one_by_one(items)


@examples(100)
@given(
    st.sampled_from([3, 6, 7, 9]).flatmap(lambda digits: st.lists(uniform(digits), min_size=12, max_size=12))
)
def test_different_texts_of_one_length(items: list[str]) -> None:
    assert together(list(items)) == one_by_one(items)


@examples(300)
@given(texts)
@example("2026-03-01 12:00:00Z")
def test_what_is_accepted_is_rfc_3339(text: str) -> None:
    try:
        moment = parse_instant(text)
    except ValueError:
        return
    assert STRICT.fullmatch(text)
    assert FIRST <= moment <= LAST


@examples(300)
@given(st.integers(FIRST_US, LAST_US), st.integers(-1439, 1439), st.text("0123456789", max_size=20))
@example(FIRST_US, 0, "")
@example(FIRST_US, 1, "")
@example(LAST_US, 0, "9")
@example(LAST_US, -1, "9")
def test_every_instant_of_the_range_is_read_without_what_is_finer_than_microseconds(
    at_us: int, offset: int, finer: str
) -> None:
    moment = EPOCH + timedelta(microseconds=at_us)
    with contextlib.suppress(OverflowError):  # its local year would be 0000 or 10000
        moment = moment.astimezone(timezone(timedelta(minutes=offset)))
    text = moment.isoformat(timespec="microseconds")
    text = text[:26] + finer + text[26:]
    assert parse_instant(text) == moment
    assert together([text] * 20) == ([at_us] * 20, set())


@given(
    st.lists(
        st.sampled_from(["2026-03-01T12:00:00.5Z", "Z", "2026-03-01T12:00:00.50000Z2026", ""]), max_size=40
    )
)
def test_texts_cannot_borrow_from_their_neighbours(items: list[str]) -> None:
    assert together(list(items)) == one_by_one(items)
