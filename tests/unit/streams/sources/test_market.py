"""The simulated marketplace: determinism, validity, shares of faults, rhythm, leak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import pytest

from schemas.catalogue import EVENTS
from schemas.validation.decoded import Decoded
from schemas.validation.validator import Validator
from streams.sources.envelope import key_of
from streams.sources.market import Faults, Market, Record, choose_cities
from streams.sources.market.cities import CATALOGUE, rhythm
from tests.support.market import batches

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL_FAULTS = Faults(late=0.03, duplicates=0.02, bad=0.04, recon_leak=0.2)
HOUR_US = 3_600_000_000


def run(count: int, seed: int = 1, size: int = 1_000, **settings: Any) -> list[Record]:
    market = Market(seed, START, **{"rate": 500.0, **settings})
    return [record for batch in batches(market, size, count) for record in batch]


@cache
def faultless() -> list[Record]:
    """Two minutes of the marketplace, for tests that only look at them."""
    return run(60_000)


def decoded(records: Iterable[Record]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(record.value or b"{}") for record in records]


def judge(records: list[Record]) -> Decoded:
    """With the virtual time of sending as Kafka's timestamp."""
    return Validator().decode_batch([r.value for r in records], [r.at_us // 1_000 for r in records])


def test_the_same_seed_gives_the_same_bytes_however_they_are_taken() -> None:
    once = run(6_000, faults=ALL_FAULTS)
    in_other_batches = run(6_000, size=7, faults=ALL_FAULTS)
    market = Market(1, START, rate=500.0, faults=ALL_FAULTS)
    by_time: list[Record] = []
    while len(by_time) < 6_000:
        by_time += market.advance(50, market.now + 40_000) or market.advance(1)

    assert in_other_batches == once
    assert by_time[:6_000] == once


def test_another_seed_or_start_shares_no_id() -> None:
    runs = [
        run(2_000),
        run(2_000, seed=2),
        [r for batch in batches(Market(1, START.replace(hour=13)), count=2_000) for r in batch],
    ]
    ids = [{event["event_id"] for event in decoded(records)} for records in runs]
    sessions = [{event["payload"].get("session_id", "") for event in decoded(records)} for records in runs]

    assert [len(each) for each in ids] == [2_000, 2_000, 2_000]
    for sets in (ids, sessions):
        assert not (sets[0] & sets[1] | sets[0] & sets[2]) - {""}


def test_every_event_is_accepted_keyed_by_its_entity_and_never_early() -> None:
    records = faultless()
    judged = judge(records)
    assert judged.bad == []
    assert all(record.key == key_of(record.value or b"") for record in records)
    sent = [record.at_us for record in records]
    assert all(abs(occurred - at) < 10 for occurred, at in zip(judged.times, sent, strict=True))
    assert sent == sorted(sent)


def test_every_event_of_the_catalogue_comes_up() -> None:
    assert {event["event"] for event in decoded(faultless())} == set(EVENTS)


def test_searches_bookings_and_payments_are_two_thirds() -> None:
    domains = Counter(EVENTS[event["event"]].domain for event in decoded(faultless()))
    core = sum(domains[domain] for domain in ("search", "bookings", "payments"))
    assert 0.62 < core / 60_000 < 0.75
    assert domains.most_common(1)[0][0] == "search"
    assert all(count > 600 for count in domains.values())


def test_an_event_has_about_340_bytes() -> None:
    values = [record.value or b"" for record in faultless()]
    assert 320 <= sum(map(len, values)) / len(values) <= 360


def test_some_events_have_no_city() -> None:
    cities = Counter(event["city"] for event in decoded(faultless()))
    assert 0.001 < cities[None] / 60_000 < 0.02
    assert set(cities) == {None, *(city.slug for city in CATALOGUE)}


def test_faults_come_in_their_shares() -> None:
    market = Market(3, START, rate=500.0, faults=ALL_FAULTS)
    records = [record for batch in batches(market, count=50_000) for record in batch]
    repeats = sum(
        count - 1
        for value, count in Counter(r.value for r in records if r.value).items()
        if count > 1 and value.startswith(b'{"event_id":"evt_')
    )
    good = 50_000 - market.bad.total() - repeats
    judged = judge(records)
    late = sum(
        record.at_us - occurred >= 2_000_000
        for record, kind, occurred in zip(records, judged.kinds, judged.times, strict=True)
        if kind is not None
    )

    assert market.bad.total() / 50_000 == pytest.approx(ALL_FAULTS.bad, rel=0.1)
    assert repeats / good == pytest.approx(ALL_FAULTS.duplicates, rel=0.1)
    assert late / good == pytest.approx(
        ALL_FAULTS.late, rel=0.25
    )  # repeats are late too, and some are still held
    assert Counter(verdict.reason.value for _, verdict in judged.bad) == market.bad
    assert len(market.bad) == 11


def test_a_bad_record_counts_when_it_is_given_out() -> None:
    market = Market(1, START, faults=Faults(bad=0.3))  # a bad record and its event come in one step
    records: list[Record] = []
    for _ in range(1_000):
        records += market.advance(1)
        assert market.bad.total() == sum(bool(record.bad) for record in records)

    reasons = {index: verdict.reason.value for index, verdict in judge(records).bad}
    assert len(reasons) > 200
    assert reasons == {index: record.bad for index, record in enumerate(records) if record.bad}


def test_late_events_are_the_same_events() -> None:
    clean = {record.value for record in run(12_000)}
    assert {record.value for record in run(8_000, faults=Faults(late=0.1))} < clean


def test_a_repeat_has_the_same_bytes_and_key_and_follows_within_a_minute() -> None:
    records = run(30_000, faults=Faults(duplicates=0.05))
    first: dict[bytes, Record] = {}
    repeats = 0
    for record in records:
        assert record.value is not None
        original = first.setdefault(record.value, record)
        if original is not record:
            repeats += 1
            assert record.key == original.key
            assert 0 <= record.at_us - original.at_us < 60_000_000
    assert repeats > 1_000


def test_the_rate_is_kept_on_the_mean() -> None:
    market = Market(5, START, rate=100.0, flat=True, faults=Faults(bad=0.02, duplicates=0.05))
    market.advance(10**9, market.start_us + 200_000_000)  # until all lifecycles are under way
    records = market.advance(10**9, market.now + 400_000_000)
    assert len(records) / 400 == pytest.approx(100, rel=0.03)


def test_a_city_sleeps_at_night() -> None:
    (tokyo,) = choose_cities("tokyo")
    market = Market(1, START.replace(hour=0), [tokyo], rate=0.3)
    records = market.advance(10**9, market.start_us + 24 * HOUR_US)
    by_hour = Counter(record.at_us // HOUR_US % 24 for record in records)
    evening, night = by_hour[(20 - 9) % 24], by_hour[(4 - 9) % 24]
    assert evening > 8 * night > 0
    assert sum(by_hour.values()) / 86_400 == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("city", CATALOGUE, ids=lambda city: city.slug)
def test_a_citys_rhythm_is_1_on_a_days_mean(city: Any) -> None:
    minutes = [rhythm(city, minute * 60_000_000) for minute in range(1_440)]
    assert sum(minutes) / 1_440 == pytest.approx(1.0, rel=1e-3)


def test_memory_is_what_is_under_way() -> None:
    market = Market(1, START, rate=250.0, flat=True, faults=Faults(late=0.05, duplicates=0.05))
    sizes = []
    for _ in range(6):
        for _ in batches(market, count=15_000):
            pass
        sizes.append(len(market._heap))
    assert sizes[-1] < 1.5 * sizes[2]
    assert len(market._heap) < 2_500


def payouts_of(records: list[Record]) -> list[tuple[float, int, int]]:
    """(seconds since the start, payout, charge) of every payout.initiated."""
    charges: dict[str, int] = {}
    found = []
    for record, event in zip(records, decoded(records), strict=True):
        payload = event["payload"]
        if event["event"] == "charge.succeeded":
            charges[payload["booking_id"]] = payload["amount_minor"]
        elif event["event"] == "payout.initiated":
            since = record.at_us / 1e6 - START.timestamp()
            found.append((since, payload["amount_minor"], charges[payload["booking_id"]]))
    return found


def test_a_leak_pays_out_half_as_much_again_as_was_charged_while_it_lasts() -> None:
    leak = Faults(recon_leak=1.0, leak_after_s=60, leak_until_s=90)
    found = payouts_of(run(40_000, rate=200.0, faults=leak))
    leaking = [(at, paid, charged) for at, paid, charged in found if paid > charged]

    assert leaking
    assert all(60 <= at < 95 for at, _, _ in leaking)  # a payout that failed is tried again with its amount
    assert all(paid == charged * 3 // 2 for _, paid, charged in leaking)
    # Payouts that are cancelled in favour of a refund do not leak.
    within = [paid > charged for at, paid, charged in found if 61 <= at < 90]
    assert sum(within) / len(within) > 0.9
    assert {paid < charged for at, paid, charged in found if at < 60 or at > 95} == {True}


def test_a_leak_has_its_share() -> None:
    found = payouts_of(run(40_000, rate=200.0, faults=Faults(recon_leak=0.3)))
    assert sum(paid > charged for _, paid, charged in found) / len(found) == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(
    ("faults", "named"),
    [
        ({"late": -0.1}, "late"),
        ({"duplicates": 0.6}, "duplicates"),
        ({"bad": 1.0}, "bad"),
        ({"recon_leak": 1.1}, "recon_leak"),
        ({"late": float("nan")}, "late"),
        ({"leak_after_s": -1}, "leak_after_s"),
        ({"leak_after_s": 5, "leak_until_s": 5}, "leak_until_s"),
        ({"late": 0.5, "duplicates": 0.5, "bad": 0.1}, "late, duplicates and bad"),
    ],
)
def test_a_wrong_fault_is_named(faults: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} "):
        Faults(**faults)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"start": datetime(2026, 3, 1)}, "start"),  # noqa: DTZ001 - that is what is wrong with it
        ({"start": datetime(2500, 1, 1, tzinfo=UTC)}, "start"),
        ({"rate": 0.0}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"cities": ()}, "cities"),
    ],
)
def test_a_wrong_argument_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} "):
        Market(1, **{"start": START, **settings})


def test_cities_by_number_and_by_name() -> None:
    assert choose_cities("3") == CATALOGUE[:3]
    assert choose_cities("paris, oslo")[0] == CATALOGUE[2]
    assert choose_cities("paris, oslo")[1].slug == "oslo"
    many = choose_cities("500")
    assert len({city.slug for city in many}) == 500
    assert many[:40] == choose_cities("40")


@pytest.mark.parametrize("text", ["", "0", "10001", "9" * 30, "London", "a,a", "a,,b", "x" * 65])
def test_wrong_cities_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cit|twice"):
        choose_cities(text)
