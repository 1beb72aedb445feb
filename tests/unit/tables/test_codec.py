"""Records that cannot be read are refused, naming what to do."""

from __future__ import annotations

import msgspec
import pytest

from tables import codec, keys
from tables.fingerprint import RecordFingerprint
from tables.fold.dedupe.chunks import unpack
from tables.keys import FeedFormatError
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG


@pytest.mark.parametrize(
    "key",
    b" x:y c w:v@h:t:m1 w:v@h:t:x1:0 w:v:t:m1:0 w:v@h:t::0 e:v@h:t d:t:x \xff:".split(b" "),
)
def test_a_key_of_another_kind_is_refused(key: bytes) -> None:
    with pytest.raises(FeedFormatError, match="SLUICE_PREFIX"):
        keys.parse_key(key)


@pytest.mark.parametrize(
    "read",
    [codec.decode_partial, codec.decode_entity, codec.decode_checkpoint, codec.decode_heartbeat, unpack],
)
@pytest.mark.parametrize("value", [b"", b"\xc1", b"\x91\x92\x90\x91\xa1x", b"x" * 50])
def test_a_damaged_value_is_refused(read: object, value: bytes) -> None:
    assert callable(read)
    with pytest.raises(FeedFormatError, match="damaged"):
        read(value)


def test_a_feed_that_is_there_is_gone_on_with() -> None:
    sums = [(("ulm", "EUR"), [1, -2]), ((None, "EUR"), [2**63, 0])]
    written = b"\x92\x92\x92\xa3ulm\xa3EUR\x92\x01\xfe\x92\x92\xc0\xa3EUR\x92\xb39223372036854775808\x00"
    assert codec.encode_partial(sums) == written
    assert codec.decode_partial(written) == sums
    kind = OPS_PAYOUT_BACKLOG.tracks.state
    payout = b"\x99\xc3\x05\x00\xa1e\xc0\xa3EUR\x07\xc0\xa1p"
    state = kind(True, 5, 0, "e", None, "EUR", 7, None, "p")  # type: ignore[call-arg]
    assert codec.encode_entity(state) == payout
    assert codec.decode_entity(payout, kind) == state


def test_sketches_are_a_third_member_with_their_items_in_order() -> None:
    written = b"\x91\x93\x91\xa3ulm\x91\x01\x91\x82\x07\x01\xcd\x01,\x02"
    rows = [(("ulm",), [1, {300: 2, 7: 1}])]
    assert codec.encode_partial(rows, sketches=1) == written
    assert codec.decode_partial(written) == rows
    assert codec.partial_groups(written) == [("ulm",)]


def test_another_format_version_is_refused() -> None:
    checkpoint = codec.Checkpoint(next=0, watermark=None, kafka_ms=None, at=0, views={}, v=2)
    with pytest.raises(FeedFormatError, match="format version 2, not 1"):
        codec.decode_checkpoint(msgspec.msgpack.encode(checkpoint))


def test_a_sum_that_outgrows_64_bits_is_written_as_text() -> None:
    limit = 1 << 63
    groups = [(("ulm",), [limit, -limit, limit - 1, 1 - limit])]
    value = codec.encode_partial(groups)
    assert msgspec.msgpack.decode(value) == [[["ulm"], [str(limit), str(-limit), limit - 1, 1 - limit]]]
    assert codec.decode_partial(value) == groups


def test_checkpoints_of_releases_before_and_after_are_read() -> None:
    """What identifies the topic is of later releases; those before read past it."""
    old = codec.Checkpoint(next=7, watermark=None, kafka_ms=1, at=2, views={})
    new = msgspec.structs.replace(
        old, topic_id="id", last_record=RecordFingerprint(6, 1, 99), first_partitions=4
    )
    members = msgspec.msgpack.decode(codec.encode_checkpoint(old))
    for name in ("topic_id", "last_record", "first_partitions"):
        del members[name]
    assert codec.decode_checkpoint(msgspec.msgpack.encode(members)) == old
    assert codec.decode_checkpoint(codec.encode_checkpoint(new)) == new
    assert msgspec.msgpack.decode(codec.encode_checkpoint(new), type=_Before) == _Before(7, 1)


class _Before(msgspec.Struct):
    next: int
    v: int
