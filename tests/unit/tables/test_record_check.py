"""Whose a record of the feed is, and what is told of one that cannot be read."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import pytest
from aiokafka import TopicPartition

from streams import metrics
from streams.feed.alien_records import OwnState, problem_of
from tables.keys import (
    FeedFormatError,
    checkpoint_key,
    dedupe_key,
    heartbeat_key,
)
from tables.record_check import Fault, gate_problem, is_feed_key, shown, value_problem
from tables.views import VIEWS
from tests.support.feed_records import TOPIC, checkpoint, entity, heartbeat, partial, reader

GMV, PAYOUTS = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"]
FEED = TopicPartition("views.feed", 3)
SHARD = partial(GMV, "m", -12, [(("a:b", "GBP"), (1, 2, 0, 0, 0))])
PAYOUT = entity(PAYOUTS, "é:1", [True, 1, 0, "evt", None, 5, "GBP", 7])
OURS = [SHARD, PAYOUT, checkpoint(10, 300.0), heartbeat((0, 1, 1, None))]


@pytest.mark.parametrize("item", OURS, ids=["w", "e", "c", "h"])
def test_a_record_of_ours_is_good_whole_and_bad_cut_short(item: tuple[bytes, bytes | None, int]) -> None:
    key, value, _ = item
    assert value is not None
    assert problem_of(key, value) is None
    assert problem_of(key, None) is None
    for cut in (b"", value[:-1], value + b"\x00", b"\xc1", b"\x01"):
        problem = problem_of(key, cut)
        assert problem is not None
        assert problem.fault is Fault.DAMAGED


@pytest.mark.parametrize("key", [checkpoint_key(TOPIC), heartbeat_key("w"), dedupe_key(TOPIC, 5)])
def test_keys_of_ours(key: bytes) -> None:
    assert is_feed_key(key)


@pytest.mark.parametrize("fields", [{"v": 2}, {"v": 2, "next": "other"}, {"v": 0, "views": 1}])
@pytest.mark.parametrize("key", [checkpoint_key(TOPIC), heartbeat_key("w")])
def test_another_version_is_no_damage(key: bytes, fields: dict[str, object]) -> None:
    problem = value_problem(key, msgspec.msgpack.encode(fields))
    assert problem is not None
    assert problem.fault is Fault.VERSION
    assert f"format version {fields['v']}, not 1" in problem.why


def test_a_view_of_another_release_is_not_read() -> None:
    key = SHARD[0].replace(GMV.definition_hash.encode(), b"00000000")
    assert problem_of(key, b"\xc1") is None


class Stored(NamedTuple):
    """A record of the feed as a record batch yields it."""

    offset: int
    key: bytes | None
    value: bytes | None


def own_state() -> tuple[OwnState, list[tuple[bytes, bytes | None]]]:
    taken: list[tuple[bytes, bytes | None]] = []
    return OwnState(FEED, TOPIC, lambda records: taken.extend(records.items())), taken


def test_own_state_is_what_each_key_has_last() -> None:
    state, taken = own_state()
    key, value, _ = checkpoint(10, 300.0)
    records = [(None, b"x"), (b"\xff", b"x"), (key, b"x"), (key, value), (checkpoint_key("other"), b"x")]
    state.take_all([Stored(offset, one, content) for offset, (one, content) in enumerate(records)])
    state.end()
    assert taken == [(key, value)]
    state.take_all([Stored(7, key, b"secret")])
    with pytest.raises(
        FeedFormatError, match=r"views.feed, partition 3, offset 7: .*sluice topics create"
    ) as error:
        state.end()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("together", [1, 2, 7])
def test_own_state_does_not_depend_on_what_is_taken_together(together: int) -> None:
    state, taken = own_state()
    (one, value, _), (shard, groups, _) = PAYOUT, SHARD
    other = one + b"2"
    records = [
        *((shard, b"\xc1"), (one, value), (one, b"\xc1"), (shard, groups), (one, None)),
        *((other, value), (None, b"x"), (one, value), (shard, None)),
    ]
    told = metrics.ALIEN_RECORDS.labels(FEED.topic)
    before = told._value.get()
    for start in range(0, len(records), together):
        part = records[start : start + together]
        state.take_all([Stored(start + place, *each) for place, each in enumerate(part)])
    state.end()
    assert dict(taken) == {shard: None, one: value, other: value}
    assert told._value.get() == before + 1


def test_what_a_view_of_another_release_keeps_is_not_read() -> None:
    state, taken = own_state()
    one, value, _ = PAYOUT
    other = b"e:gone@12345678:" + one.split(b":", 2)[2]
    for start in range(2):  # the second time both are known by the beginnings of their keys
        state.take_all([Stored(2 * start, other, b"\xc1"), Stored(2 * start + 1, one, value)])
    state.end()
    assert taken == 2 * [(other, b"\xc1"), (one, value)]
    state.take_all([Stored(4, other, b"\xc1"), Stored(5, one, b"")])
    with pytest.raises(FeedFormatError, match="offset 5: an entity record of the feed is damaged"):
        state.end()


def test_an_entity_is_known_by_the_whole_of_its_key() -> None:
    state, taken = own_state()
    one, value, _ = PAYOUT
    family = one[: -len("é:1".encode())]
    odd = [family, family + b"\xff", family.replace(TOPIC.encode(), TOPIC.encode() + b"2") + b"1"]
    good = [family + one for one in (b"a:b", b"\xc3\xa9", b":", b"\n")]
    state.take_all([Stored(offset, key, value) for offset, key in enumerate([one, *odd, *good])])
    state.take_all([Stored(9, good[0], b"\xc1")])
    assert [key for key, _ in taken] == [one, *good]
    with pytest.raises(FeedFormatError, match="offset 9: an entity record of the feed is damaged"):
        state.end()


def test_a_source_with_a_damaged_record_is_not_trusted_until_it_is_written_anew() -> None:
    state = reader(checkpoint(10, 300.0), heartbeat((0, 10, 10, None)))
    key, _, _ = SHARD
    state.mark(0, key, damaged=True)
    assert state.damaged == {(TOPIC, 0): {key}}
    state.apply(0, [SHARD, checkpoint(11, 300.0)], monotonic=0.0)
    assert state.damaged == {}


def test_a_gate_is_ours_by_its_key_and_its_value_says_the_same() -> None:
    assert gate_problem(b"london|GBP", None) is None
    for key in (None, b"", b"\xff|GBP", b"london|gbp", b"London|GBP"):
        problem = gate_problem(key, b"{}")
        assert problem is not None
        assert problem.fault is Fault.ALIEN
    problem = gate_problem(b"|GBP", b"{}")
    assert problem is not None
    assert problem.fault is Fault.DAMAGED


def test_a_key_is_shown_escaped_and_cut() -> None:
    assert shown(b"\x1b[31m\n\xff") == r"'\x1b[31m\n\xff'"
    assert len(shown(b"x" * 5_000)) < 100
    assert shown(None) == "null"
