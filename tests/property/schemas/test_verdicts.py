"""The fast decoder with its batch checks, and the complete judgement, give one verdict on whatever comes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from schemas.times import micros
from schemas.validation.reasons import MAX_DETAIL_BYTES, Quarantined
from schemas.validation.validator import Validator
from tests.support.examples import examples
from tests.support.value_strategy import NOW_MS, values

VALIDATOR = Validator(max_event_bytes=4096)


def same(value: bytes | None, timestamp_ms: int = NOW_MS) -> None:
    fast, complete = VALIDATOR.validate(value, timestamp_ms), VALIDATOR.validate_one(value, timestamp_ms)
    assert type(fast) is type(complete)
    assert fast == complete
    if isinstance(fast, Quarantined):
        assert fast.code is fast.reason.code
        assert len(fast.detail.encode()) <= MAX_DETAIL_BYTES
        assert bool(fast.field) == (fast.reason in ("envelope_field", "payload_field"))


@examples(600)
@given(values, st.sampled_from([NOW_MS, 0, -1]))
@example(b'{"payload":' * 3 + b"{}" + b"}" * 3, NOW_MS)
def test_both_ways_give_one_verdict(value: bytes | None, timestamp_ms: int) -> None:
    same(value, timestamp_ms)


@examples(60)
@given(st.lists(values, max_size=30), st.integers(0, 2))
def test_a_record_is_judged_alike_alone_and_in_a_batch(batch: list[bytes | None], repeats: int) -> None:
    batch = batch * (repeats * 4 + 1)
    decoded = VALIDATOR.decode_batch(list(batch), [NOW_MS] * len(batch), with_sources=True)
    columns = [column for column in decoded if column is not decoded.bad and column is not decoded.adapted]
    assert {len(column) for column in columns} == {len(batch)}
    bad = dict(decoded.bad)
    assert list(bad) == sorted(bad)
    for index, value in enumerate(batch):
        event = decoded.kept[index]
        assert (bad[index] if event is None else event) == VALIDATOR.validate_one(value, NOW_MS)
        if event is not None:
            assert decoded.kinds[index] is event.__class__
            assert decoded.sources[index] == event.source
            assert decoded.times[index] == micros(event.occurred_at)
            assert (decoded.ids[index].decode(), decoded.cities[index]) == (event.event_id, event.city)
