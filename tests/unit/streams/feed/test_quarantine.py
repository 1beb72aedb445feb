"""Quarantine records: the producer's headers in them and back, and what is left of one that is too large."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.quarantine.source_headers import LARGEST_BYTES, TRUNCATED, carried, original
from streams.feed.quarantine import smaller_ones

RAW_NAMES = st.binary(max_size=8) | st.sampled_from([b"\\xe9", b"\\", b"src.x", b"k\xe9y", b"\xed\xa0\x80"])
RAW_HEADERS = st.lists(st.tuples(RAW_NAMES, st.none() | st.binary(max_size=8)), max_size=6)


@given(RAW_HEADERS)
def test_headers_of_any_name_come_back_as_they_were(headers: list[tuple[bytes, bytes | None]]) -> None:
    made = carried([(name.decode("utf-8", "surrogateescape"), value) for name, value in headers])
    assert all(name.startswith("src.") and name.encode() for name, _ in made)
    assert original([("code", b"x"), *made, (TRUNCATED, b"1")]) == headers


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 5_000)), max_size=12), st.integers(0, 12))
def test_of_too_many_headers_those_of_the_trace_and_the_first_are_kept(
    sizes: list[tuple[str, int]], trace_at: int
) -> None:
    headers: list[tuple[str, bytes | None]] = [(f"h{name}", b"x" * size) for name, size in sizes]
    headers.insert(min(trace_at, len(headers)), ("traceparent", b"00-ab"))
    made = carried(headers)
    kept = [(name, value) for name, value in made if name != TRUNCATED]
    assert ("src.traceparent", b"00-ab") in kept
    assert sum(len(name.encode()) + len(value or b"") for name, value in kept) <= LARGEST_BYTES
    left_out = len(headers) - len(kept)
    assert made[len(kept) :] == ([(TRUNCATED, b"%d" % left_out)] if left_out else [])
    escaped = ((f"src.{name}".replace("\\", "\\x5c"), value) for name, value in headers)
    assert all(any(header == one for header in escaped) for one in kept), "in order"


@pytest.mark.parametrize(
    ("key", "value", "own", "cut"),
    [
        (b"k", b"v" * 900, b"", ["truncated"]),
        (b"k" * 900, b"v", b"", ["key_truncated"]),
        (b"k", b"v", b"h" * 900, ["src_truncated"]),
        (b"k" * 900, None, b"h", ["key_truncated"]),
    ],
)
def test_the_largest_part_is_cut_first(key: bytes, value: bytes | None, own: bytes, cut: list[str]) -> None:
    says: list[tuple[str, bytes | None]] = [("code", b"c"), ("detail", b"d" * 512)]
    first, _, last = smaller_ones((key, value, [*says, ("src.h", own)]))
    names = [name for name, _ in first[2]]
    assert [name for name in names if "truncated" in name] == cut
    assert (first[0], first[1]) == (
        None if "key_truncated" in cut else key,
        b"" if cut == ["truncated"] else value,
    )
    assert (last[0], last[1] or None) == (None, None)
    assert dict(last[2])[TRUNCATED] == b"1"
    assert dict(last[2])["key_sha256"] == sha256(key).hexdigest().encode()
    assert (value is None) == ("sha256" not in dict(last[2]))
