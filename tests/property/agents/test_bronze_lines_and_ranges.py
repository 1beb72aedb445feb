"""Bronze for any JSON and any batching: lines keep what came, objects do not know how their records came."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from agents.bronze.lines import LineWriter
from agents.bronze.range import BuiltObject
from tests.support.bronze import NO_LIMIT, Record, builder
from tests.support.events import AT_MS, click, declined

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text().filter(lambda name: name != "_kafka"), JSON, min_size=1, max_size=6)


@given(
    value=OBJECTS,
    indent=st.none() | st.integers(0, 3),
    ascii_only=st.booleans(),
    end=st.text(" \t\r\n", max_size=3),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**53),
)
def test_a_line_without_kafka_is_the_value(
    *, value: dict[str, Any], indent: int | None, ascii_only: bool, end: str, offset: int, timestamp_ms: int
) -> None:
    text = (
        json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        + end.encode()
    )
    (line,) = LineWriter("a-topic", 3).lines([text], [offset], [timestamp_ms])
    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    pairs = json.loads(line.decode("utf-8", "surrogatepass"), object_pairs_hook=list)
    assert pairs[-1][0] == "_kafka"
    assert dict(pairs[-1][1]) == {
        "topic": "a-topic", "partition": 3, "offset": offset, "timestamp_ms": timestamp_ms
    }  # fmt: skip
    assert pairs[:-1] == json.loads(text.decode("utf-8", "surrogatepass"), object_pairs_hook=list)


VALUES = st.one_of(
    st.builds(click, st.integers(0, 99), city=st.sampled_from([None, "berlin", "rome"])),
    st.builds(
        declined,
        st.integers(0, 99),
        occurred_at=st.sampled_from(["2026-03-01T11:59:59Z", "2026-02-28T23:59:59Z"]),
    ),
    st.sampled_from([None, b"", b"\xff\n", b"[1]", b'{"event":"no.such"}']),
)


def objects(
    records: list[Record], cuts: list[int], until: int | None, max_bytes: int
) -> list[list[BuiltObject]]:
    """The objects of all ranges that these records become when they come in batches cut at `cuts`."""
    made, ranges = builder(until=until, max_bytes=max_bytes), []
    edges = [0, *sorted(cuts), records[-1].offset + 1]
    for before, after in pairwise(edges):
        batch = [record for record in records if before <= record.offset < after]
        while made.next < after:
            batch = batch[made.add(batch, after) :]
            if made.full:
                made.close()
                ranges.append(made.objects())
                made = builder(made.next, max_bytes=max_bytes)
    made.close()
    return [*ranges, made.objects()]


@given(
    values=st.lists(VALUES, min_size=1, max_size=40),
    gaps=st.sets(st.integers(0, 60), max_size=10),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    until=st.none() | st.integers(1, 60),
    max_bytes=st.sampled_from([1, 300, 1000, NO_LIMIT]),
    segment=st.sampled_from([1, 500, 4 << 20]),
    piece=st.sampled_from([1, 300, 64 << 10]),
)
def test_objects_do_not_depend_on_batches(
    *,
    values: list[bytes | None],
    gaps: set[int],
    cuts: list[int],
    until: int | None,
    max_bytes: int,
    segment: int,
    piece: int,
) -> None:
    offsets = [offset for offset in range(200) if offset not in gaps][: len(values)]
    records = [Record(offset, AT_MS + offset, value) for offset, value in zip(offsets, values, strict=True)]
    end = records[-1].offset + 1
    inner = [cut for cut in cuts if 0 < cut < end]
    with patch("agents.bronze.range.SEGMENT_BYTES", segment), patch("agents.bronze.range.PIECE_BYTES", piece):
        whole = objects(records, [], until, max_bytes)
        assert objects(records, inner, until, max_bytes) == whole
        assert objects(records, list(range(1, end)), until, max_bytes) == whole
    assert sum(made.rows for made_range in whole for made in made_range) == len(records)
