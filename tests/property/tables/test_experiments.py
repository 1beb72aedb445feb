"""The fold of experiments: whatever the order, the batches, checkpoints and restarts, the sums are those of
the users; experiments end, and begin anew."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from tables.experiments.moments import Moments, User
from tables.experiments.records import decode_experiment
from tables.fold.experiments import MOST_EVENTS
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.keys import ExperimentKey, UserKey, parse_key
from tables.query.params import ParameterError, parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.spec.experiment import ESTIMATES, Experiment, UserMetric
from tables.spec.windowed import Term
from tests.oracle.tables import Feed, Made, make, write
from tests.support.decoded import fold_made
from tests.support.feed_records import TOPIC, situation

HOUR_US = 3_600_000_000
START_US = 500_000 * HOUR_US
LIMITS = Limits(pane_minutes=60, pane_hours=6, dedupe_seconds=3600, closed_hours=24)


def view(name: str, *of: Term, per: tuple[Term, ...] = ()) -> Experiment:
    return Experiment(name, "Tested.", ("exp_key", "variant"), ESTIMATES, metric=UserMetric(of, per))


COUNTED = view("exp_checkouts", Term("checkout.start"))
SUMMED = view("exp_value", Term("booking.confirmed", "amount_minor", (("currency", "EUR"),)))
DIVIDED = view(
    "exp_value_per_checkout",
    Term("booking.confirmed", "amount_minor"),
    Term("booking.confirmed"),
    per=(Term("checkout.start"), Term("booking.confirmed", None, (("currency", "EUR"),))),
)
VIEWS = {one.name: one for one in (COUNTED, SUMMED, DIVIDED)}


def adds(view_name: str, made: Made) -> tuple[int, int]:
    """What an event adds to the metric, and to what it is divided by."""
    payload, checkout = made.event.payload, made.name == "checkout.start"
    if view_name == "exp_checkouts":
        return int(checkout), 0
    if view_name == "exp_value":
        return (0, 0) if checkout or payload.currency != "EUR" else (payload.amount_minor, 0)
    return (0, 1) if checkout else (payload.amount_minor + 1, int(payload.currency == "EUR"))


class Share(NamedTuple):
    """What a partition has to say of an experiment: its newest exposure, and its users by variant."""

    newest_us: int
    users: dict[str, list[User]]


def plain(view_name: str, taken: list[tuple[Made, int]]) -> dict[str, Share]:
    """The experiments by the words of the contract, over the events that count, each with the watermark it
    came at."""
    shares: dict[str, Share] = {}
    for name in {made.event.payload.exp_key for made, _ in taken if made.name == "experiment.exposure"}:
        life: list[Made] = []
        for made, watermark_us in taken:
            if made.name != "experiment.exposure" or made.event.payload.exp_key != name:
                continue
            if life and max(one.occurred_us for one in life) < watermark_us - 12 * HOUR_US:
                life = []  # it had ended, for good
            life.append(made)
        newest_us = max(one.occurred_us for one in life)
        if newest_us < taken[-1][1] - 12 * HOUR_US:
            continue
        users: dict[str, list[Made]] = {}
        for made in life:
            users.setdefault(made.event.payload.user_id, []).append(made)
        found: dict[str, list[User]] = {}
        for user_id, exposures in users.items():
            first = min(exposures, key=_order)
            done = [
                adds(view_name, made)
                for made, _ in taken
                if made.name != "experiment.exposure"
                and made.event.payload.user_id == user_id
                and made.occurred_us >= first.occurred_us
            ]
            y, z = sum(each[0] for each in done), sum(each[1] for each in done)
            crossed = len({one.event.payload.variant for one in exposures}) > 1
            divided = z if view_name == DIVIDED.name else 1
            payload = first.event.payload
            found.setdefault(payload.variant, []).append(User(payload.covariate, y, divided, crossed))
        shares[name] = Share(newest_us, found)
    return shares


def _order(made: Made) -> tuple[Any, ...]:
    payload = made.event.payload
    return made.occurred_us, payload.variant, payload.covariate is None, payload.covariate or 0


def shown(feed: Feed) -> dict[str, dict[str, tuple[int, dict[str, Any]]]]:
    """View → experiment → newest exposure, and sums by variant."""
    found: dict[str, dict[str, tuple[int, dict[str, Any]]]] = {}
    for key, value in feed.items():
        parsed = parse_key(key)
        if isinstance(parsed, ExperimentKey):
            _, newest_us, variants = decode_experiment(value)
            found.setdefault(parsed.view, {})[parsed.experiment] = newest_us, packed(variants)
    return found


def packed(variants: Mapping[str, Moments]) -> dict[str, Any]:
    return {name: moments.packed() for name, moments in variants.items()}


def events(draw: random.Random, count: int) -> list[Made]:
    """In the order of the partition: disordered, and sometimes hours pass."""
    now_us, made = START_US, []
    for number in range(count):
        now_us += draw.choice([0, draw.randrange(10**9), draw.randrange(10**9)])
        if draw.random() < 0.01:
            now_us += draw.randrange(20 * HOUR_US)
        occurred_us = now_us - draw.choice([0, 0, draw.randrange(HOUR_US), draw.randrange(8 * HOUR_US)])
        user = f"usr-{draw.randrange(40)}"
        payload: dict[str, Any]
        if draw.random() < 0.4:
            name, payload = (
                "experiment.exposure",
                {
                    "exp_key": draw.choice(["one", "two:x"]),
                    "variant": draw.choice("aab"),
                    "covariate": draw.choice([None, 0.0, 1.5, -2.25]),
                },
            )
        elif draw.random() < 0.5:
            name, payload = "checkout.start", {}
        else:
            name, payload = (
                "booking.confirmed",
                {
                    "amount_minor": draw.choice([0, 100, 2**53 - 1]),
                    "currency": draw.choice(["EUR", "USD"]),
                },
            )
        event_id = f"e{number}"
        made.append(make(name, event_id, occurred_us, now_us // 1000, user_id=user, **payload))
        if draw.random() < 0.1:
            made.append(made[-1])
    return made


def counted(made: list[Made]) -> list[tuple[Made, int]]:
    """The events that count, each with the watermark it came at."""
    taken, seen, watermark_us = [], set(), None
    for one in made:
        if one.event.event_id in seen:
            continue
        seen.add(one.event.event_id)
        watermark_us = one.occurred_us if watermark_us is None else watermark_us
        if one.occurred_us < watermark_us - 6 * HOUR_US:
            continue
        watermark_us = max(watermark_us, one.occurred_us)
        taken.append((one, watermark_us))
    return taken


def feed_of(made: list[Made], draw: random.Random) -> Feed:
    """What a worker writes of them; it crashes now and then."""
    feed = Feed()
    state = PartitionState(TOPIC, VIEWS.values(), LIMITS)
    while state.next_offset < len(made):
        fold_made(state, made[state.next_offset :][: draw.choice([1, 5, 60])])
        if draw.random() < 0.2:
            state = PartitionState(TOPIC, VIEWS.values(), LIMITS)
            state.restore(feed)
            state.restored()
        elif draw.random() < 0.7:
            write(feed, state.changes(0))
    write(feed, state.changes(0))
    return feed


@pytest.mark.parametrize("seed", range(40))
def test_sums_are_those_of_the_users(seed: int) -> None:
    draw = random.Random(seed)
    made = events(draw, 700)
    feed = feed_of(made, draw)
    found = shown(feed)
    for name in VIEWS:
        expected = {}
        for experiment, share in plain(name, counted(made)).items():
            variants = {}
            for variant, users in share.users.items():
                variants[variant] = Moments()
                for user in users:
                    variants[variant].add(user)
            expected[experiment] = share.newest_us, packed(variants)
        assert found.get(name, {}) == expected


def test_a_user_is_forgotten_with_the_experiments() -> None:
    made = [
        make("experiment.exposure", "e1", START_US, 0, user_id="u", exp_key="one", variant="a"),
        make("checkout.start", "e2", START_US + 1, 0, user_id="u"),
    ]
    feed = Feed()
    state = PartitionState(TOPIC, VIEWS.values(), LIMITS)
    for hour in range(40):
        later = make(
            "profile.view", f"l{hour}", START_US + hour * HOUR_US, 0, session_id="s", provider_id="p"
        )
        fold_made(state, [*made, later] if hour == 0 else [later])
        write(feed, state.changes(0))
        kept = [key for key in feed if isinstance(parse_key(key), UserKey | ExperimentKey)]
        assert bool(kept) == (hour <= 12), hour
    assert state.sizes()["users"] == 0


def test_a_busy_user_keeps_its_newest_events() -> None:
    """What came before them counts where it counted, and a state has a bound."""
    state = PartitionState(TOPIC, [COUNTED], LIMITS)
    first = make("experiment.exposure", "e", START_US, 0, user_id="u", exp_key="one", variant="a")
    many = [make("checkout.start", f"c{at}", START_US + at, 0, user_id="u") for at in range(1_000)]
    fold_made(state, [first, *many])
    feed = Feed()
    write(feed, state.changes(0))
    assert shown(feed)["exp_checkouts"]["one"][1]["a"][8] == 1_000
    fold_made(state, [make("experiment.exposure", "f", START_US, 0, user_id="u", exp_key="two", variant="a")])
    write(feed, state.changes(0))
    assert shown(feed)["exp_checkouts"]["two"][1]["a"][8] == MOST_EVENTS
    sizes = [len(value) for key, value in feed.items() if isinstance(parse_key(key), UserKey)]
    assert max(sizes) < 4_000


def reader_of(made: list[Made]) -> ReaderState:
    """What a reader has of events of one partition."""
    state = PartitionState(TOPIC, [COUNTED], LIMITS)
    fold_made(state, made)
    reader = ReaderState({COUNTED.name: COUNTED}, LIMITS.pane_minutes, LIMITS.pane_hours)
    reader.apply(0, [(key, value, 0) for key, value in state.changes(0)], monotonic=0.0)
    return reader


def rows(reader: ReaderState, scope: frozenset[str] | None = None, **params: str) -> list[dict[str, Any]]:
    query = parse_view_query(COUNTED, list(params.items()))
    answer = answer_view(reader, COUNTED, query, situation(START_US / 1e6, partitions=1), scope)
    found: list[dict[str, Any]] = answer["rows"]
    return found


def test_variants_are_compared_whichever_are_asked_for() -> None:
    exposed = [
        make(
            "experiment.exposure", f"e{at}", START_US + at, 0,
            user_id=f"u{at}", exp_key="one", variant="ab"[at % 2], covariate=float(at),
        )
        for at in range(6)
    ]  # fmt: skip
    reader = reader_of(exposed)
    whole = rows(reader)
    assert [row["variant"] for row in whole] == ["a", "b"]
    assert rows(reader, variant="b") == whole[1:]
    assert rows(reader, exp_key="two") == []
    assert rows(reader, group_by="variant,exp_key") == whole
    with pytest.raises(ParameterError, match="group_by: must hold exp_key and variant"):
        rows(reader, group_by="exp_key")
    with pytest.raises(ParameterError, match="step"):
        rows(reader, step="5m")
    assert rows(reader, frozenset({"lisbon"})) == [], "they are of all cities"


def test_an_experiment_ends_by_the_newest_event_of_all_partitions() -> None:
    exposed = make("experiment.exposure", "e", START_US, 0, user_id="u", exp_key="one", variant="a")
    reader = reader_of([exposed])
    for hours, there in ((6, True), (7, False)):
        later = PartitionState(TOPIC, [COUNTED], LIMITS)
        fold_made(
            later,
            [
                make(
                    "profile.view",
                    f"p{hours}",
                    START_US + hours * HOUR_US,
                    0,
                    session_id="s",
                    provider_id="p",
                )
            ],
        )
        reader.apply(1, [(key, value, 0) for key, value in later.changes(0)], monotonic=0.0)
        assert bool(rows(reader)) is there


def test_what_goes_beyond_the_limit_is_one_experiment() -> None:
    state = PartitionState(TOPIC, [COUNTED], LIMITS._replace(max_groups=3))
    fold_made(
        state,
        [
            make(
                "experiment.exposure", f"e{at}", START_US, 0, user_id=f"u{at}", exp_key=f"x{at}", variant="a"
            )
            for at in range(10)
        ],
    )
    feed = Feed()
    write(feed, state.changes(0))
    users = {
        name: sum(one[0] for one in found.values()) for name, (_, found) in shown(feed)[COUNTED.name].items()
    }
    assert users == {"x0": 1, "x1": 1, "x2": 1, "_other": 7}
    limit = state.group_limits()[COUNTED.name]
    assert (limit.summed, limit.is_full) == (7, True)
