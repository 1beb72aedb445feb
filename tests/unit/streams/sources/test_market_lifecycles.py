"""What the simulated marketplace does beside search, bookings and payments."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import pytest

from streams.sources.market import Market, choose_cities
from streams.sources.market.cities import CATALOGUE
from streams.sources.market.experiments import (
    CORRELATION,
    LIFT,
    TAKES_PART,
    VARIANTS,
    covariate,
    inclination,
    variant,
    willingness,
)
from streams.sources.market.towns import Town

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@cache
def two_cities() -> list[dict[str, Any]]:
    """Events of an hour in two cities, whose campaigns run out and whose users come again."""
    market = Market(4, START, choose_cities("paris,tokyo"), rate=30.0, flat=True)
    records = market.advance(10**9, market.start_us + 3_600_000_000)
    return [msgspec.json.decode(record.value or b"{}") for record in records]


def of(*names: str) -> Iterator[dict[str, Any]]:
    return (event for event in two_cities() if event["event"] in names)


def ended(first: str) -> tuple[int, Counter[str]]:
    """How many were begun by this event, and how they ended, of the same kind."""
    kind = first.partition(".")[0]
    counts = Counter(event["event"] for event in two_cities() if event["event"].startswith(f"{kind}."))
    return counts.pop(first), counts


@pytest.mark.parametrize(
    ("first", "passed", "failed"),
    [
        ("idv.started", "idv.passed", "idv.failed"),
        ("bg.started", "bg.passed", "bg.failed"),
        ("studio.verification_requested", "studio.verified", "studio.rejected"),
        ("quote.requested", "quote.accepted", "quote.declined"),
    ],
)
def test_most_come_to_an_end_and_a_few_never(first: str, passed: str, failed: str) -> None:
    begun, ends = ended(first)
    assert ends[passed] > ends[failed] > 0
    assert 0.85 * begun < ends.total() < begun


def test_a_score_has_the_bucket_of_its_range_and_changes() -> None:
    scores: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    buckets: Counter[str] = Counter()
    for event in of("risk.scored"):
        payload = event["payload"]
        score, bucket = payload["score"], payload["bucket"]
        limits = {"clear": (0, 40), "watch": (40, 70), "action": (70, 90), "critical": (90, 100.1)}
        assert limits[bucket][0] <= score < limits[bucket][1]
        assert event["city"] is not None or payload["subject_kind"] == "booking"
        scores[payload["subject_kind"], payload["subject_id"]].append(score)
        buckets[bucket] += 1
    assert {kind for kind, _ in scores} == {"user", "provider", "booking"}
    assert buckets["clear"] > buckets["watch"] > buckets["action"] > buckets["critical"] > 0
    assert sum(len(set(each)) > 1 for each in scores.values()) > 100


def test_a_campaign_spends_its_budget_in_the_citys_currency_and_no_more() -> None:
    currencies = {city.slug: city.currency for city in CATALOGUE}
    budgets: dict[str, list[int]] = {}
    spent: Counter[str] = Counter()
    for event in of("promo.budget", "promo.spend"):
        payload = event["payload"]
        assert payload["currency"] == currencies[event["city"]]
        if event["event"] == "promo.budget":
            budgets.setdefault(payload["campaign_id"], []).append(payload["amount_minor"])
        else:
            spent[payload["campaign_id"]] += payload["amount_minor"]
            assert 0 < spent[payload["campaign_id"]] <= budgets[payload["campaign_id"]][-1]
    raised = [amounts for amounts in budgets.values() if len(amounts) > 1]
    assert 0 < len(raised) < len(budgets)
    assert all(amounts == sorted(amounts) for amounts in raised)
    exhausted = [campaign for campaign, amounts in budgets.items() if spent[campaign] == amounts[-1]]
    assert len(exhausted) >= len(budgets) - 2  # one in each city is under way


@pytest.mark.parametrize(("name", "invalid"), [("promo.impression", 0.03), ("promo.click", 0.12)])
def test_some_impressions_and_more_clicks_are_invalid(name: str, invalid: float) -> None:
    valid = [event["payload"]["valid"] for event in of(name)]
    assert 1 - sum(valid) / len(valid) == pytest.approx(invalid, rel=0.35)


def test_a_confirmed_booking_is_told_its_user() -> None:
    templates = Counter(event["payload"]["template"] for event in of("message.sent"))
    names = Counter(event["event"] for event in two_cities())
    for fate in ("requested", "confirmed", "declined", "expired"):
        assert templates[f"booking-{fate}"] == names[f"booking.{fate}"]
    assert templates["digest-weekly"] > names["digest.suppressed"] > 0


def test_digests_are_suppressed_for_three_reasons() -> None:
    reasons = {event["payload"]["reason"] for event in of("digest.suppressed")}
    assert reasons == {"quiet_hours", "no_content", "opted_out"}


def test_a_user_is_exposed_once_in_its_variant_before_it_searches() -> None:
    exposed: set[str] = set()
    searched: set[str] = set()
    for event in of("experiment.exposure", "search.impression"):
        payload = event["payload"]
        if event["event"] == "experiment.exposure":
            assert payload["user_id"] not in exposed | searched
            assert payload["variant"] in VARIANTS
            exposed.add(payload["user_id"])
        elif payload["user_id"] is not None:
            searched.add(payload["user_id"])
    assert exposed <= searched | {event["payload"]["user_id"] for event in of("experiment.exposure")}
    assert len(exposed) / len(searched) == pytest.approx(TAKES_PART, rel=0.1)


def test_variants_are_alike_and_new_users_have_no_covariate() -> None:
    users = [Town(CATALOGUE[0]).user(number) for number in range(20_000)]
    shares = Counter(variant(user) for user in users)
    assert shares["control"] / shares["treatment"] == pytest.approx(1.0, rel=0.06)
    assert sum(covariate(user) is None for user in users) / len(users) == pytest.approx(0.15, rel=0.1)
    for name in VARIANTS:
        inclined = [inclination(user) for user in users if variant(user) == name]
        assert sum(inclined) / len(inclined) == pytest.approx(1.0, rel=0.03)


def test_the_treatment_lifts_the_willingness_of_who_was_exposed_and_of_nobody_else() -> None:
    town = Town(CATALOGUE[0])
    for user in map(town.user, range(1_000)):
        assert willingness(town, user) == inclination(user)
        town.meet(user)
        lift = LIFT if variant(user) == "treatment" else 0.0
        assert willingness(town, user) == pytest.approx(inclination(user) * (1 + lift))


def correlation(pairs: list[tuple[float, float]]) -> float:
    xs, ys = zip(*pairs, strict=True)
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    along = sum((x - mean_x) * (y - mean_y) for x, y in pairs)
    spread = sum((x - mean_x) ** 2 for x in xs) * sum((y - mean_y) ** 2 for y in ys)
    return float(along / spread**0.5)


def test_the_covariate_is_correlated_with_checkouts_and_the_treatment_lifts_them() -> None:
    market = Market(9, START, choose_cities("12"), rate=1_000.0, flat=True)
    exposures: dict[str, tuple[str, float | None]] = {}
    checkouts: Counter[str] = Counter()
    visits: dict[str, set[str]] = defaultdict(set)
    for record in market.advance(10**9, market.start_us + 400_000_000):
        value = record.value or b""
        if b'"experiment.exposure"' in value:
            payload = msgspec.json.decode(value)["payload"]
            exposures[payload["user_id"]] = (payload["variant"], payload["covariate"])
            assert record.key == payload["user_id"].encode()
        elif b'"checkout.start"' in value:
            payload = msgspec.json.decode(value)["payload"]
            assert record.key == payload["user_id"].encode()
            checkouts[payload["user_id"]] += payload["user_id"] in exposures
        elif b'"position":0,' in value and b'"search.impression"' in value:
            payload = msgspec.json.decode(value)["payload"]
            visits[payload["user_id"]].add(payload["session_id"])
    once = [(x, float(checkouts[user])) for user, (_, x) in exposures.items()
            if x is not None and len(visits[user]) == 1]  # fmt: skip
    assert correlation(once) == pytest.approx(CORRELATION, abs=0.05)
    rates = {}
    for name in VARIANTS:
        counts = [checkouts[user] for user, (shown, _) in exposures.items() if shown == name]
        rates[name] = sum(counts) / len(counts)
    assert rates["treatment"] / rates["control"] - 1 == pytest.approx(LIFT, abs=0.09)
