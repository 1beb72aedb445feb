"""Whole fetches of record batches, of every format and with anything in them, on the workers' own way: each
wanted record is folded and laid down exactly once, in order, and nothing ends it."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from hypothesis import given
from hypothesis import strategies as st

from agents.views.projector import Projector
from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from streams.kafka.batches import Fetched, _wanted_batches, records_of
from streams.kafka.fetched_bytes import FetchedBytes
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.views import VIEWS
from tests.oracle.bad import padded
from tests.support.bronze import builder
from tests.support.record_bytes import CODECS, TRANSACTIONAL, Wire, batch_legacy, batch_v2, control

NOW_MS = 1_772_359_200_000
TP = TopicPartition("events.raw", 0)
LEGACY_CODECS = [codec for codec in CODECS if codec != "zstd"]
PRODUCERS = (7, 8)
EMPTIED = 9
"""A producer of whose transactions compaction has left nothing but the mark's empty batch."""

values = st.one_of(
    st.integers(0, 5).map(lambda number: padded(300, NOW_MS, event_id=f"e{number}")),
    st.sampled_from([None, b"", b"{", b"[]", b"\xff\x00"]),
    st.binary(max_size=40),
)
names = st.binary(max_size=6) | st.sampled_from([b"k\xe9y", b"traceparent", b"src.a", b"\\xe9", b"code"])
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=8)), max_size=3).map(tuple)
stamps = st.sampled_from([-1, 0, -5, NOW_MS, NOW_MS + 1, 2**62, -(2**62)])
contents = st.tuples(stamps, st.none() | st.binary(max_size=5), values, headers)
batches = st.fixed_dictionaries(
    {
        "magic": st.sampled_from([0, 1, 2, 2, 2]),
        "codec": st.sampled_from(list(CODECS)),
        "append_ms": st.none() | stamps,
        "producer": st.sampled_from([None, None, *PRODUCERS]),
        "end": st.sampled_from(["none", "commit", "abort", "emptied"]),
        "records": st.lists(st.tuples(st.integers(1, 3), contents), max_size=5),
        "room": st.integers(0, 2),
    }
)


@dataclass
class Model:
    """What a fetch holds: its bytes, its aborted transactions, and what is wanted of it."""

    data: bytes = b""
    at: int = 100
    wanted: list[Wire] = field(default_factory=list)
    aborted: list[tuple[int, int]] = field(default_factory=list)
    open: dict[int, list[Wire]] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)

    def add(self, drawn: dict) -> None:  # type: ignore[type-arg]
        base, made = self.at, []
        for gap, (stamp, key, value, own) in drawn["records"]:
            made.append(Wire(self.at + gap - 1, stamp, key, value, own))
            self.at += gap
        if drawn["magic"] < 2:
            self._legacy(made, drawn)
        else:
            self._two(made, base, drawn)
        self._end(drawn)

    def _legacy(self, made: list[Wire], drawn: dict) -> None:  # type: ignore[type-arg]
        if not made:
            return
        magic = drawn["magic"]
        codec = drawn["codec"] if drawn["codec"] in LEGACY_CODECS else "none"
        self.data += batch_legacy(made, magic, codec=codec, newest_ms=drawn["append_ms"])
        append_ms = drawn["append_ms"]
        for record in made:
            stamp = -1 if magic == 0 else record.timestamp_ms if append_ms is None else append_ms
            self.wanted.append(record._replace(timestamp_ms=stamp, headers=()))

    def _two(self, made: list[Wire], base: int, drawn: dict) -> None:  # type: ignore[type-arg]
        self.at += drawn["room"] if made else drawn["room"] + 1  # what compaction took is still its own
        producer = drawn["producer"]
        self.data += batch_v2(
            made, base_offset=base, last_offset=self.at - 1, codec=drawn["codec"],
            newest_ms=drawn["append_ms"], attributes=TRANSACTIONAL if producer else 0,
            producer=(producer or -1, 0, 0),
        )  # fmt: skip
        if drawn["append_ms"] is not None:
            made = [record._replace(timestamp_ms=drawn["append_ms"]) for record in made]
        if producer is None:
            self.wanted += made
        else:
            self.first.setdefault(producer, base)
            self.open.setdefault(producer, []).extend(made)

    def _end(self, drawn: dict) -> None:  # type: ignore[type-arg]
        if drawn["end"] == "emptied":
            self.data += control(self.at, 0, (EMPTIED, 0, 0), empty=True)
            self.at += 1
        producer = drawn["producer"]
        if producer in self.open and drawn["end"] in {"commit", "abort"}:
            self.data += control(self.at, int(drawn["end"] == "commit"), (producer, 0, 0))
            self.at += 1
            records, first = self.open.pop(producer), self.first.pop(producer)
            if drawn["end"] == "commit":
                self.wanted += records
            else:
                self.aborted.append((producer, first))

    def close(self) -> None:
        """Transactions that are committed behind this fetch."""
        self.wanted = sorted(sum(self.open.values(), self.wanted), key=lambda record: record.offset)


def fetched(model: Model, start: int) -> Fetched:
    records = PartitionRecords(
        TP, FetchedBytes(model.data), list(model.aborted), start, None, None, True, READ_COMMITTED
    )
    wanted = _wanted_batches(records)
    return Fetched(TP, start, records.next_fetch_offset, wanted, records.next_fetch_offset)


def raw(headers: list[tuple[str, bytes | None]]) -> tuple[tuple[bytes, bytes | None], ...]:
    return tuple((name.encode("utf-8", "surrogateescape"), value) for name, value in headers)


def escaped(name: bytes) -> str:
    return "src." + name.replace(b"\\", b"\\x5c").decode(errors="backslashreplace")


@given(drawn=st.lists(batches, min_size=1, max_size=5), into=st.integers(0, 4), cut=st.integers(0, 30))
def test_each_wanted_record_comes_once_and_in_order(drawn: list[dict], into: int, cut: int) -> None:  # type: ignore[type-arg]
    model = Model()
    for batch in drawn:
        model.add(batch)
    end = model.at
    model.close()
    model.data += batch_v2([Wire(end, NOW_MS, b"k", b"cut off by the fetch")])[: cut + 1]
    start = 100 + into
    wanted = [record for record in model.wanted if record.offset >= start]

    read = [
        Wire(record.offset, record.timestamp, record.key, record.value, raw(record.headers))
        for record in records_of(fetched(model, start))
    ]
    assert read == wanted
    _through_both_roles(model, start, wanted)


def _through_both_roles(model: Model, start: int, wanted: list[Wire]) -> None:
    judged = [(record, Validator().validate_one(record.value, record.timestamp_ms)) for record in wanted]
    bad = [record for record, verdict in judged if isinstance(verdict, Quarantined)]

    state = PartitionState(TP.topic, tuple(VIEWS.values()), Limits(2_880, 840, 3_600, 168))
    state.next_offset = start
    projector = Projector(TP.topic, 0, state, Validator(), lambda: NOW_MS)
    share = fetched(model, start)
    projector.fold(share.before, share.after, share.batches)
    interval = projector.pending
    assert state.next_offset == max(start, share.after)
    assert (interval.records, sum(interval.outcomes.values())) == (len(wanted), len(wanted))
    shown = [(r.key, r.value, dict(r.headers)["offset"], r.headers[8:]) for r in interval.quarantine]
    assert shown == [
        (r.key, r.value, str(r.offset).encode(), [(escaped(name), value) for name, value in r.headers])
        for r in bad
    ]

    share = fetched(model, start)
    made = builder(start)
    made.add(list(records_of(share)), share.after)
    made.close()
    rows = [
        json.loads(line)["_kafka"] | {"bad": built.path.startswith("_bad/")}
        for built in made.objects()
        for line in zlib.decompress(built.data, wbits=31).splitlines()
    ]
    assert sorted((row["offset"], row["timestamp_ms"], row["bad"]) for row in rows) == [
        (record.offset, record.timestamp_ms, isinstance(verdict, Quarantined)) for record, verdict in judged
    ]
