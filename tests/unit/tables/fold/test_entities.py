"""Entities: the join, when a closed one is forgotten, and how little one takes."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.validation.fast_path import EVENT_TYPES
from tables.fold.entities import EntityStore
from tables.fold.readers import reader_of
from tables.fold.times import Times
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG
from tests.oracle.tables import HOUR_US, Made, make

HOUR = 497_000 * HOUR_US
CLOSED_US = 2 * HOUR_US


def store() -> EntityStore:
    return EntityStore("e:v@h:t:", OPS_PAYOUT_BACKLOG.tracks, EVENT_TYPES, CLOSED_US)


def join(
    entities: EntityStore, name: str, at_us: int, watermark_us: int | None = None, event_id: str = "e"
) -> None:
    made = make(f"payout.{name}", event_id, at_us, 0, "ulm", payout_id="p", amount_minor=at_us % 97)
    join_all(entities, [made], watermark_us)


def join_all(entities: EntityStore, made: list[Made], watermark_us: int | None = None) -> None:
    """Events of one name."""
    kind = made[0].event.__class__
    read = reader_of([entities.stages[kind].kept])
    items = [(place, kind, read(one.event), one.occurred_us) for place, one in enumerate(made)]
    times = Times(np.array([one.occurred_us for one in made]), None, watermark_us)
    entities.fold(items, times, {kind: 0})


def state(entities: EntityStore) -> list[Any] | None:
    """opened, occurred_us, rank of the payout."""
    value = entities.states.get("p")
    return None if value is None else msgspec.msgpack.decode(value)[:3]


def test_the_latest_event_counts_and_the_opening_one_is_remembered() -> None:
    entities = store()
    join(entities, "failed", HOUR + 5)
    assert state(entities) == [False, HOUR + 5, 1]
    join(entities, "initiated", HOUR)
    assert state(entities) == [True, HOUR + 5, 1]
    join(entities, "initiated", HOUR + 6)
    assert state(entities) == [True, HOUR + 6, 0]


def test_of_one_time_the_rank_counts_then_the_event_id() -> None:
    entities = store()
    join(entities, "failed", HOUR, event_id="b")
    join(entities, "initiated", HOUR, event_id="c")
    assert state(entities) == [True, HOUR, 1]
    join(entities, "failed", HOUR, event_id="a")
    assert msgspec.msgpack.decode(entities.states["p"])[3] == "b"
    join(entities, "failed", HOUR, event_id="c")
    assert msgspec.msgpack.decode(entities.states["p"])[3] == "c"


def test_the_latest_events_facts_are_kept_and_nothing_of_earlier_ones() -> None:
    entities = store()
    join(entities, "initiated", HOUR)
    assert msgspec.msgpack.decode(entities.states["p"])[4:] == ["ulm", "EUR", HOUR % 97, 0, "x"]
    join(entities, "failed", HOUR + 1)
    assert msgspec.msgpack.decode(entities.states["p"])[4:] == ["ulm", "EUR", (HOUR + 1) % 97, None, "x"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_closed_one_is_forgotten_when_its_time_is_over_and_not_before(restart: bool) -> None:
    entities = store()
    join(entities, "initiated", HOUR)
    join(entities, "paid", HOUR + 7)
    written = dict(entities.changes(HOUR + 7))
    if restart:
        entities = store()
        entities.restore({b"e:v@h:t:p": written[b"e:v@h:t:p"]})
    assert dict(entities.changes(HOUR + 7 + CLOSED_US)) == {}
    assert state(entities) == [True, HOUR + 7, 3]
    assert dict(entities.changes(HOUR + 8 + CLOSED_US)) == {b"e:v@h:t:p": None}
    assert len(entities) == 0


def test_it_is_as_forgotten_before_the_checkpoint_that_deletes_it() -> None:
    entities = store()
    join(entities, "initiated", HOUR)
    join(entities, "paid", HOUR + 7)
    join(entities, "failed", HOUR + 1, watermark_us=HOUR + 8 + CLOSED_US)
    assert state(entities) == [False, HOUR + 1, 1]
    assert dict(entities.changes(HOUR + 8 + CLOSED_US))[b"e:v@h:t:p"] is not None


def test_until_its_time_is_over_earlier_events_change_nothing() -> None:
    entities = store()
    join(entities, "initiated", HOUR)
    join(entities, "paid", HOUR + 7)
    join(entities, "failed", HOUR + 1, watermark_us=HOUR + 7 + CLOSED_US)
    assert state(entities) == [True, HOUR + 7, 3]


def test_one_that_closed_unopened_is_kept_until_it_was_opened() -> None:
    entities = store()
    join(entities, "paid", HOUR)
    list(entities.changes(HOUR + 100 * HOUR_US))
    assert state(entities) == [False, HOUR, 3]
    join(entities, "initiated", HOUR - 1, watermark_us=HOUR + 100 * HOUR_US)
    assert dict(entities.changes(HOUR + 100 * HOUR_US)) == {b"e:v@h:t:p": None}


def test_one_that_opened_again_is_not_forgotten() -> None:
    entities = store()
    join(entities, "initiated", HOUR)
    join(entities, "paid", HOUR + 1)
    list(entities.changes(HOUR + 1))
    join(entities, "initiated", HOUR + 2)
    list(entities.changes(HOUR + 100 * HOUR_US))
    assert state(entities) == [True, HOUR + 2, 0]
    join(entities, "canceled", HOUR + 3, watermark_us=HOUR + CLOSED_US)
    list(entities.changes(HOUR + 3 + CLOSED_US))
    assert state(entities) == [True, HOUR + 3, 2]
    list(entities.changes(HOUR + 4 + CLOSED_US))
    assert state(entities) is None


@pytest.mark.parametrize("at_us", [-5 * HOUR_US, -1, 0, 200, 2**32 - 1, 2**32])
def test_times_that_are_written_shorter_are_understood(at_us: int) -> None:
    entities = store()
    join(entities, "initiated", at_us)
    join(entities, "paid", at_us + 1)
    again = store()
    again.restore({b"e:v@h:t:p": entities.states["p"]})
    list(again.changes(at_us + 2 + CLOSED_US))
    assert len(again) == 0


def test_a_live_one_takes_at_most_400_bytes() -> None:
    count = 10_000
    made = [
        make(
            "payout.initiated",
            f"{n:036d}",
            HOUR + n,
            0,
            "san-francisco",
            payout_id=f"po_{n:024d}",
            provider_id=f"prov_{n:012d}",
            amount_minor=n,
            currency="USD",
        )
        for n in range(count)
    ]
    tracemalloc.start()
    entities = store()
    join_all(entities, made)
    for _ in entities.changes(HOUR):
        pass
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held / count <= 400
