"""Entities: the join, when a closed one is forgotten, and how little one takes."""

from __future__ import annotations

import dataclasses
import tracemalloc
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.validation.fast_path import EVENT_TYPES
from tables.entity_cities import MOST_CITIES
from tables.fold.entities import EntityStore
from tables.fold.readers import reader_of
from tables.fold.times import Times
from tables.spec.tracked import Kept
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


def of(*made: Made) -> list[Any] | None:
    """The payout's record after these events, one batch each."""
    entities = store()
    for one in made:
        join_all(entities, [one])
    value = entities.states.get("p")
    return None if value is None else msgspec.msgpack.decode(value)


def payout(name: str, at_us: int, city: str | None, event_id: str = "e") -> Made:
    return make(f"payout.{name}", event_id, at_us, 0, city, payout_id="p", amount_minor=at_us % 97)


def kept(at_us: int, rank: int, city: str | None, due_us: int | None = None) -> list[Any]:
    return [True, at_us, rank, "e", city, "EUR", at_us % 97, due_us, "x"]


def test_of_several_cities_the_newest_event_counts_and_that_of_each_other_one_is_kept() -> None:
    opened, failed = payout("initiated", HOUR, "ulm"), payout("failed", HOUR + 1, "bonn")
    ulm, bonn = kept(HOUR, 0, "ulm", due_us=0), kept(HOUR + 1, 1, "bonn")
    assert of(opened, failed) == of(failed, opened) == [*bonn, [ulm]]
    assert of(opened, failed, opened, failed) == [*bonn, [ulm]]
    paid = payout("paid", HOUR + 2, "ulm")
    assert of(opened, failed, paid) == [*kept(HOUR + 2, 3, "ulm"), [bonn]]
    jena = payout("canceled", HOUR + 3, "jena")
    assert of(jena, opened, failed) == [*kept(HOUR + 3, 2, "jena"), [bonn, ulm]]


def test_null_is_kept_as_the_newest_of_all_alone() -> None:
    opened, failed = payout("initiated", HOUR, "ulm"), payout("failed", HOUR + 1, None)
    assert of(opened, failed) == [*kept(HOUR + 1, 1, None), [kept(HOUR, 0, "ulm", due_us=0)]]
    assert of(opened, failed, payout("paid", HOUR + 2, "ulm")) == kept(HOUR + 2, 3, "ulm")
    assert of(payout("initiated", HOUR, None), payout("failed", HOUR + 1, "ulm")) == kept(HOUR + 1, 1, "ulm")


@pytest.mark.parametrize("size", [1, 31, 32, 64])
@pytest.mark.parametrize("at_us", [-1, 0, 200, 2**32, HOUR])
@pytest.mark.parametrize("city", ["ulm", "u" * 31, "u" * 64, None])
def test_one_of_one_city_is_written_as_if_there_were_no_others(
    size: int, at_us: int, city: str | None
) -> None:
    events = [payout("initiated", at_us, city, "a" * size), payout("paid", at_us + 1, city, "b" * size)]
    for made in (events, events[::-1], events * 2):
        record = of(*made)
        assert record is not None
        assert (record[:5], len(record)) == ([True, at_us + 1, 3, "b" * size, city], 9)
    other = of(*events, payout("failed", at_us, f"{city or ''}x"[-64:], "c"))
    assert other is not None
    assert len(other) == 10, "a city that begins alike is another one"


def test_all_cities_are_forgotten_at_once_when_the_newest_event_closed_it() -> None:
    entities = store()
    join_all(entities, [payout("initiated", HOUR, "ulm")])
    join_all(entities, [payout("failed", HOUR + 1, "jena")])
    join_all(entities, [payout("paid", HOUR + 7, "bonn")])
    assert dict(entities.changes(HOUR + 7 + CLOSED_US)).keys() == {b"e:v@h:t:p"}
    assert dict(entities.changes(HOUR + 8 + CLOSED_US)) == {b"e:v@h:t:p": None}
    join_all(entities, [payout("initiated", HOUR + 9 + CLOSED_US, "ulm")])
    assert state(entities) == [True, HOUR + 9 + CLOSED_US, 0]


def test_one_that_opened_elsewhere_is_not_forgotten_though_a_city_closed_it() -> None:
    entities = store()
    join_all(entities, [payout("initiated", HOUR, "ulm")])
    join_all(entities, [payout("paid", HOUR + 1, "ulm")])
    join_all(entities, [payout("initiated", HOUR + 2, "bonn")])
    list(entities.changes(HOUR + 2 + 2 * CLOSED_US))
    assert state(entities) == [True, HOUR + 2, 0]


@pytest.mark.parametrize("restart", [False, True])
def test_one_that_was_opened_in_another_city_later_is_forgotten(restart: bool) -> None:
    entities = store()
    join_all(entities, [payout("paid", HOUR, "ulm")])
    join_all(entities, [payout("initiated", HOUR - 1, "bonn")])
    if restart:
        written = dict(entities.changes(HOUR))
        entities = store()
        entities.restore(written)
    list(entities.changes(HOUR + CLOSED_US))
    assert len(entities) == 1
    assert dict(entities.changes(HOUR + 1 + CLOSED_US)) == {b"e:v@h:t:p": None}


def test_an_entity_of_ever_so_many_cities_fits_into_a_record() -> None:
    entities, count = store(), MOST_CITIES + 50
    made = [
        make(
            "payout.initiated", f"{n:064d}", HOUR + n, 0, f"{n:064d}",
            payout_id="p", provider_id="\U0001d11e" * 128, amount_minor=2**53 - 1,
        )
        for n in range(count)
    ]  # fmt: skip
    join_all(entities, made)
    record = entities.states["p"]
    assert len(record) < 1_000_000
    *newest, others = msgspec.msgpack.decode(record)
    assert [int(one[4]) for one in (newest, *others)] == [*range(count - 1, count - 1 - MOST_CITIES, -1)]


def test_many_kept_fields_change_nothing() -> None:
    tracks = OPS_PAYOUT_BACKLOG.tracks
    wide = dataclasses.replace(tracks, keep=(*tracks.keep, *(Kept(f"more{n}") for n in range(9))))
    entities = EntityStore("e:v@h:t:", wide, EVENT_TYPES, CLOSED_US)
    join_all(entities, [payout("initiated", HOUR, "ulm")])
    join_all(entities, [payout("failed", HOUR + 1, "ulm")])
    record = msgspec.msgpack.decode(entities.states["p"])
    assert (record[:3], len(record)) == ([True, HOUR + 1, 1], 18)
    join_all(entities, [payout("paid", HOUR + 2, "bonn")])
    assert msgspec.msgpack.decode(entities.states["p"])[18:] == [[record]]


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
