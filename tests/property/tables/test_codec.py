"""Everything that is written to the feed is read back as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tables import codec, keys
from tables.codec import (
    Assigned,
    Checkpoint,
    Group,
    Heartbeat,
)

names = st.from_regex(r"[a-z_.0-9-]{1,20}", fullmatch=True)
hash8s = st.from_regex(r"[0-9a-f]{8}", fullmatch=True)
dimensions = st.none() | st.booleans() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
groups = st.lists(dimensions, min_size=1, max_size=3).map(tuple)
sums = st.lists(st.integers(-(2**80), 2**80) | st.integers(-5, 5), min_size=1, max_size=4)
offsets = st.integers(0, 2**63 - 1)


@given(st.lists(st.tuples(groups, sums), max_size=20))
def test_partials_round_trip(partial: list[tuple[Group, list[int]]]) -> None:
    value = codec.encode_partial(partial)
    assert codec.decode_partial(value) == partial
    assert codec.count_groups(value) == len(partial)


@given(st.integers(0, 70_000))
def test_groups_are_counted_by_the_header_alone(count: int) -> None:
    assert codec.count_groups(codec.encode_partial([((None,), [0])] * count)) == count


panes = st.tuples(st.sampled_from("mh"), st.integers(-(10**9), 10**9), st.integers(0, 999))


@given(names, hash8s, names, panes)
def test_windowed_keys_round_trip(
    view: str, definition_hash: str, topic: str, pane: tuple[str, int, int]
) -> None:
    unit, number, shard = pane
    key = f"{keys.windowed_prefix(view, definition_hash, topic)}{unit}{number}:{shard}".encode()
    assert keys.parse_key(key) == keys.WindowedKey(view, definition_hash, topic, unit, number, shard)


@given(names, hash8s, names, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_entity_keys_round_trip(view: str, definition_hash: str, topic: str, entity_id: str) -> None:
    key = (keys.entity_prefix(view, definition_hash, topic) + entity_id).encode()
    assert keys.parse_key(key) == keys.EntityKey(view, definition_hash, topic, entity_id)


@given(names, offsets, st.text(st.characters(exclude_categories=["Cs"])))
def test_other_keys_round_trip(topic: str, offset: int, worker: str) -> None:
    assert keys.parse_key(keys.checkpoint_key(topic)) == keys.CheckpointKey(topic)
    assert keys.parse_key(keys.dedupe_key(topic, offset)) == keys.DedupeKey(topic, offset)
    assert keys.parse_key(keys.heartbeat_key(worker)) == keys.HeartbeatKey(worker)


@given(
    offsets,
    st.none() | st.integers(-(10**17), 10**17),
    st.none() | offsets,
    st.dictionaries(names, st.tuples(hash8s, offsets)),
    st.lists(st.tuples(offsets, offsets)),
)
def test_checkpoints_round_trip(
    next_offset: int,
    watermark: int | None,
    kafka_ms: int | None,
    views: dict[str, tuple[str, int]],
    lost: list[tuple[int, int]],
) -> None:
    checkpoint = Checkpoint(
        next=next_offset, watermark=watermark, kafka_ms=kafka_ms, at=1, views=views, lost=lost
    )
    assert codec.decode_checkpoint(codec.encode_checkpoint(checkpoint)) == checkpoint


@given(names, st.lists(st.builds(Assigned, names, offsets, offsets, offsets, st.none() | offsets)))
def test_heartbeats_round_trip(worker: str, partitions: list[Assigned]) -> None:
    heartbeat = Heartbeat(worker=worker, at=1, partitions=partitions)
    assert codec.decode_heartbeat(codec.encode_heartbeat(heartbeat)) == heartbeat
