"""Quantiles and distinct counts against exact ones: any order, batches, partitions, restarts, rolling up."""

from __future__ import annotations

import random
from collections import defaultdict
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import format_time
from schemas.validation.fast_path import EVENT_TYPES
from tables.codec import Row, decode_partial, encode_partial
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.keys import WindowedKey, parse_key
from tables.query.params import parse_time, parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.sketches.distinct import DISTINCT, MOST_EXACT, REGISTERS, STANDARD_ERROR, distinct
from tables.sketches.kind import Sparse, State
from tables.sketches.quantiles import EDGES, QUANTILES, VALUES
from tables.spec.measures import Unit
from tables.spec.problems import checked
from tables.spec.windowed import DistinctCount, Quantile, Sum, Term, Windowed
from tables.times import HOUR_US, MINUTE_US
from tests.oracle.tables import Feed, Made, make, write
from tests.support.decoded import fold_made
from tests.support.examples import examples
from tests.support.feed_records import situation

START_US = 1_790_000_000_000_000 // HOUR_US * HOUR_US
LIMITS = Limits(pane_minutes=60, pane_hours=1000, dedupe_seconds=60, closed_hours=1)
AMOUNTS = (Term("booking.confirmed", "amount_minor"),)
QS = {"p0": 0.0, "p50": 0.5, "p95": 0.95, "p100": 1.0}
VIEW = Windowed(
    "market_sketches",
    "",
    ("city", "currency"),
    (
        Sum("bookings", "", (Term("booking.confirmed"),)),
        *(Quantile(name, "", q, AMOUNTS, Unit.MINOR) for name, q in QS.items()),
        DistinctCount(
            "users", "", (Term("booking.confirmed", "user_id"), Term("booking.requested", "user_id"))
        ),
        DistinctCount("providers", "", (Term("booking.confirmed", "provider_id", (("currency", "EUR"),)),)),
    ),
)
VIEWS = checked((VIEW,), EVENT_TYPES)


class Fact(NamedTuple):
    """A booking, or (without an amount) a request for one."""

    source: int
    minute: int
    city: str | None
    currency: str
    amount: int | None
    user: str

    def made(self, number: int) -> Made:
        """Its event."""
        name = "booking.requested" if self.amount is None else "booking.confirmed"
        at_us = START_US + self.minute * MINUTE_US
        amount = 0 if self.amount is None else self.amount
        return make(
            name, f"e{number}", at_us, START_US // 1000, self.city, amount_minor=amount,
            currency=self.currency, user_id=self.user, provider_id=f"p{amount % 5}",
        )  # fmt: skip


amounts = st.one_of(
    st.integers(-200, 200),
    st.integers(0, 10**6),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from(EDGES[1:-1]),
)
facts = st.lists(
    st.builds(
        Fact, st.integers(0, 1), st.integers(0, 8 * 60), st.sampled_from([None, "ulm"]),
        st.sampled_from(["EUR", "USD"]), st.none() | amounts, st.integers(0, 30).map("u{}".format),
    ),
    max_size=60,
)  # fmt: skip


def folded(made: list[tuple[int, Made]], data: st.DataObject) -> list[Feed]:
    """The feed of each partition, after any order, batches, checkpoints and restarts."""
    feeds = []
    for source in range(2):
        todo = data.draw(st.permutations([event for at, event in made if at == source]))
        state, feed = PartitionState("events.raw", VIEWS.values(), LIMITS), Feed()
        while todo:
            size = data.draw(st.integers(1, len(todo)))
            batch, todo = todo[:size], todo[size:]
            fold_made(state, batch)
            if data.draw(st.booleans()):
                write(feed, state.changes(0))
                state = PartitionState("events.raw", VIEWS.values(), LIMITS)
                for key in data.draw(st.permutations(sorted(feed))):
                    state.restore({key: feed[key]})
                state.restored()
        write(feed, state.changes(0))
        feeds.append(feed)
    return feeds


def asked(feeds: list[Feed], *params: tuple[str, str]) -> dict[str, Any]:
    reader = ReaderState(VIEWS, LIMITS.pane_minutes, LIMITS.pane_hours)
    for source, feed in enumerate(feeds):
        records = sorted(feed.items(), key=lambda item: item[0][:1] == b"c")  # the checkpoint last
        reader.apply(source, [(key, value, 0) for key, value in records], monotonic=0.0)
    query = parse_view_query(VIEW, params)
    return answer_view(reader, VIEW, query, situation(START_US / 1e6, partitions=2))


def holds(found: list[Fact], row: dict[str, Any]) -> bool:
    """Whether a row is that of these facts: quantiles within 1 %, all else exactly."""
    values = sorted(fact.amount for fact in found if fact.amount is not None)
    assert row["bookings"] == len(values)
    for name, q in QS.items():
        if not values:
            assert row[name] is None
            continue
        exact = values[max(1, ceil(q * len(values))) - 1]
        assert abs(row[name] - exact) * 100 <= abs(exact)
    assert row["users"] == len({fact.user for fact in found})
    euros = {fact.amount % 5 for fact in found if fact.amount is not None and fact.currency == "EUR"}
    assert row["providers"] == len(euros)
    return True


@examples(100, chaos=5_000)
@given(facts, st.sampled_from([None, 60, 180]), st.sampled_from(["city,currency", "currency"]), st.data())
def test_sketches_are_what_exact_values_say(
    found: list[Fact], step: int | None, keep: str, data: st.DataObject
) -> None:
    feeds = folded([(fact.source, fact.made(number)) for number, fact in enumerate(found)], data)
    span = ("from", format_time(START_US)), ("to", format_time(START_US + 9 * HOUR_US))
    answer = asked(feeds, *span, ("group_by", keep), *([("step", f"{step}m")] if step else []))
    first = parse_time("from", answer["from"]) // MINUTE_US
    table: dict[Any, list[Fact]] = defaultdict(list)
    for fact in found:
        minute = START_US // MINUTE_US + fact.minute
        at = format_time(max(minute // step * step, first) * MINUTE_US) if step else None
        table[at, *(getattr(fact, name) for name in keep.split(","))].append(fact)
    rows = {(row.get("t"), *(row[name] for name in keep.split(","))): row for row in answer["rows"]}
    assert rows.keys() == table.keys()
    assert all(holds(table[key], row) for key, row in rows.items())


@examples(100, chaos=5_000)
@given(facts, st.data())
def test_the_same_events_in_any_order_and_cut_are_the_same_bytes(
    found: list[Fact], data: st.DataObject
) -> None:
    made = [(fact.source, fact.made(number)) for number, fact in enumerate(found)]
    one, other = (folded(made, data) for _ in range(2))
    assert [packed(feed) for feed in one] == [packed(feed) for feed in other]


def packed(feed: Feed) -> dict[Any, bytes]:
    """(pane, group) → the bytes of what is kept."""
    found = {}
    for key, value in feed.items():
        parsed = parse_key(key)
        if isinstance(parsed, WindowedKey):
            for group, row in decode_partial(value):
                found[parsed.unit, parsed.number, group] = encode_partial([((), row)], len(VIEW.sketches))
    return found


@pytest.mark.parametrize("users", [MOST_EXACT - 1, MOST_EXACT, MOST_EXACT + 1, 3000, 12_000])
def test_many_distinct_values_are_counted_within_four_standard_errors(users: int) -> None:
    shuffle = random.Random(users)
    feeds = []
    for source in range(2):
        state = PartitionState("events.raw", VIEWS.values(), LIMITS)
        seen = shuffle.sample(range(users), users * 2 // 3) if source else range(users)
        for start in range(0, len(seen), 2000):
            batch = [
                Fact(source, user % 400, "ulm", "EUR", user, f"u{user}").made(user)
                for user in seen[start : start + 2000]
            ]
            fold_made(state, batch)
        feed = Feed()
        write(feed, state.changes(0))
        assert all(len(value) < 1_000_000 for value in feed.values())
        feeds.append(feed)
    span = ("from", format_time(START_US)), ("to", format_time(START_US + 9 * HOUR_US))
    (row,) = asked(feeds, *span)["rows"]
    allowed = 0 if users <= MOST_EXACT else 4 * STANDARD_ERROR * users
    assert abs(row["users"] - users) <= allowed


@examples(30, chaos=300)
@given(st.integers(0, 2**32), st.sampled_from([10, 200, 256, 257, 300, 1000, 4000]), st.data())
def test_distinct_counts_merge_in_any_order_and_shape(seed: int, users: int, data: st.DataObject) -> None:
    items = [DISTINCT.item_of(f"{seed}-{user}") for user in range(users)]
    shuffle = data.draw(st.randoms(use_true_random=False))
    whole: State = {}
    parts: list[State] = [{} for _ in range(data.draw(st.integers(1, 6)))]
    for item in items + shuffle.sample(items, users // 2):
        assert item is not None
        DISTINCT.add(whole, item, 1)
        DISTINCT.add(shuffle.choice(parts), item, 1)
    union: dict[int, int] = defaultdict(int)
    for part in parts:
        for item, number in part.items():
            union[item] = max(union[item], number)  # as those who read merge them
    while len(parts) > 1:
        left = parts.pop(shuffle.randrange(len(parts)))
        right = shuffle.choice(parts)
        for item, number in left.items():
            DISTINCT.add(right, item, number)
    assert parts[0] == whole
    assert len(whole) <= REGISTERS
    assert distinct(sparse(union)) == distinct(sparse(whole))
    assert abs(distinct(sparse(whole)) - users) <= (0 if users <= MOST_EXACT else 5 * STANDARD_ERROR * users)


def sparse(state: State) -> Sparse:
    items = sorted(state)
    return Sparse(np.array(items, np.int64), np.array([state[item] for item in items], np.int64))


def test_a_bucket_stands_for_all_of_its_values_within_one_percent() -> None:
    assert sorted(set(EDGES)) == EDGES
    assert EDGES[-1] >= 2**63 - 1
    assert len(EDGES) == len(VALUES) == 4101
    for at in range(1, len(EDGES)):
        low, high, value = EDGES[at - 1] + 1, EDGES[at], VALUES[at]
        assert max(abs(value - low) * 100 - abs(low), abs(value - high) * 100 - abs(high)) <= 0
        assert QUANTILES.item_of(low) == QUANTILES.item_of(high) == at
    assert [VALUES[QUANTILES.item_of(value) or 0] for value in range(-98, 99)] == list(range(-98, 99))


def test_a_record_of_full_sketches_is_one_that_brokers_take() -> None:
    row: Row = [2**62, dict.fromkeys(range(len(EDGES)), 2**31), *[dict.fromkeys(range(REGISTERS), 50)] * 2]
    groups = [((f"{'c' * 60}{number}", "EUR"), row) for number in range(VIEW.shard_groups)]
    assert len(encode_partial(groups, len(VIEW.sketches))) < 1_000_000
