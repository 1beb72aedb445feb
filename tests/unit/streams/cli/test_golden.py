"""What the commands that list show, by where: terminals of three widths, without colour, a pipe, TSV.

The data is the worst that there may be, or nearly. `make gold` writes tests/golden anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.catalogue import EVENTS
from streams.cli import settings
from streams.cli.doctor import findings_page
from streams.doctor.finding import GOOD, NOTE, WRONG, Finding
from tests.support.api import ANSWER, PARTITIONS, Api, answering
from tests.support.golden import Golden
from tests.support.terminal import every_screen, every_way

MOST = 2**53 - 1
LONG_ID = "po_" + "0123456789abcdef" * 7 + "0123456789-de"
"""As long as an id may be."""
LONG_CITY = "llanfair" * 8


def recon(city: str | None, currency: str, *minor: int) -> dict[str, Any]:
    charges, payouts, refunds, fees = minor
    variance = charges - payouts - refunds - fees
    return {
        "city": city, "currency": currency, "charges_minor": charges, "payouts_minor": payouts,
        "refunds_minor": refunds, "fees_minor": fees, "variance_minor": variance,
        "abs_variance_minor": abs(variance), "variance_ratio": abs(variance) / charges if charges else None,
    }  # fmt: skip


def variant(name: str, users: int, *numbers: float | None) -> dict[str, Any]:
    measures = (
        "y_sum", "mean_y", "var_y", "theta", "mean_cuped", "var_cuped", "variance_reduction", "diff",
        "diff_low", "diff_high", "always_valid_low", "always_valid_high", "crossovers", "srm_p",
    )  # fmt: skip
    named = dict(zip(measures, numbers, strict=True))
    return {"exp_key": "checkout-button-2026", "variant": name, "users": users, **named}


def payout(payout_id: str, city: str | None, state: str, minor: int) -> dict[str, Any]:
    return {
        "payout_id": payout_id, "city": city, "state": state, "occurred_at": "2026-03-01T09:00:00Z",
        "currency": "GBP", "amount_minor": minor, "due_at": "2026-03-04T17:30:00Z",
        "provider_id": "pr" + payout_id[2:],
    }  # fmt: skip


BOOKED = {
    "city": "london", "currency": "GBP", "bookings": 19960, "gmv_minor": 1066668454, "cancellations": 1234,
    "cancelled_minor": 20536312, "platform_fees_minor": 24213374, "take_rate": 0.0227,
    "booking_minor_p50": 12345, "booking_minor_p95": 198765,
}  # fmt: skip
BACKLOG = {
    "city": "london", "currency": "GBP", "open": 7, "open_minor": 36009, "overdue": 1, "overdue_minor": 12800,
    "failed": 0, "failed_minor": 0, "backlog": 7, "backlog_minor": 36009, "oldest_seconds": 93784,
}  # fmt: skip
ROWS: dict[str, list[dict[str, Any]]] = {
    "ops_recon_variance": [
        recon(None, "EUR", 5668454, 4562310, 215000, 120000),
        recon("london", "GBP", 1066668454, 845623100, 21500000, 12000000),
        recon("東京", "JPY", 0, 0, 0, 0),
    ],
    "kpi_gmv": [
        {**BOOKED, "city": None, "currency": "JPY", "take_rate": None, "booking_minor_p50": None},
        BOOKED,
    ],
    "ops_payout_backlog": [BACKLOG, {**BACKLOG, "city": "paris", "oldest_seconds": None}],
    "exp_metric_cuped": [
        variant("control", 12345, 678, 0.05492, 0.0623, 0.812, 0.0549, 0.0512, 0.178, 0.0, None, None, None,
                None, 12, 0.4321),
        variant("green", 12401, 702, 0.05661, 0.0641, 0.812, 0.0561, 0.0527, 0.178, 0.00123, -0.00121,
                0.00345, -0.00452, 0.00671, 9, 0.4321),
    ],
}  # fmt: skip
WORST = {
    "ops_recon_variance": [
        recon(None, "GBP", 0, MOST, 0, MOST),
        recon(LONG_CITY, "JPY", MOST, 0, MOST, MOST),
    ],
    "kpi_gmv": [
        {name: MOST if isinstance(value, int) else value for name, value in BOOKED.items()} | {"city": None}
    ],
    "exp_metric_cuped": [variant(LONG_CITY, MOST, MOST, *([-123456.789] * 11), MOST, 1e-9)],
}
VIEWS = [
    {"name": "ops_payout_backlog", "kind": "entity", "dimensions": ["city", "currency"], "measures": [],
     "description": "Payouts that are open, overdue or failed, and how long the oldest has been waiting."},
    {"name": "promo_performance", "kind": "windowed", "dimensions": ["campaign_id", "city"], "measures": [],
     "description": "Campaigns: valid and invalid impressions and clicks."},
    {"name": "ops_quarantine", "kind": "windowed", "dimensions": ["source", "event", "reason"],
     "measures": [], "description": "The share of bad records by producer.",
     "former": "ops_quarantine answers by its former definition 0a1b2c3d until"
     " `sluice views rebuild ops_quarantine` has filled the new one"},
]  # fmt: skip


@pytest.fixture
def api() -> Iterator[Api]:
    with answering() as api:
        yield api


def answer(api: Api, view: str, rows: list[dict[str, Any]], **more: Any) -> None:
    path = f"/v1/views/{view}" + ("/entities" if "cursor" in more else "")
    api.answers[path] = (200, {**ANSWER, "view": view, "rows": rows, **more})


@pytest.mark.parametrize("view", ROWS)
def test_a_view(api: Api, golden: Golden, view: str) -> None:
    answer(api, view, ROWS[view])
    golden.holds(f"views_{view}", every_way(["views", view, "--api", api.url]))


@pytest.mark.parametrize("view", WORST)
def test_a_view_with_the_largest_numbers(api: Api, golden: Golden, view: str) -> None:
    answer(api, view, WORST[view])
    golden.holds(f"views_{view}_largest", every_way(["views", view, "--api", api.url]))


def test_a_view_that_is_not_complete(api: Api, golden: Golden) -> None:
    reason = "a record has been unread for over 60 s"
    behind = {**PARTITIONS[1], "incomplete_because": reason}
    caveats = {
        "complete": False, "partitions": [behind], "incomplete_because": [f"events.raw-1: {reason}"],
        "warnings": ["no such city: londn; did you mean london?"],
    }  # fmt: skip
    answer(api, "ops_recon_variance", ROWS["ops_recon_variance"][:1], **caveats)
    shown = every_way(["views", "ops_recon_variance", "--api", api.url])
    golden.holds("views_ops_recon_variance_incomplete", shown)


def test_entities(api: Api, golden: Golden) -> None:
    rows = [payout("po_81723", "london", "failed", 12800), payout("po_81724", None, "initiated", 36009)]
    answer(api, "ops_payout_backlog", rows, state=None, cursor=None)
    command = ["views", "ops_payout_backlog", "--entities", "--api", api.url]
    golden.holds("views_ops_payout_backlog_entities", every_way(command))
    rows.append(payout(LONG_ID, LONG_CITY, "initiated", MOST))
    answer(api, "ops_payout_backlog", rows, state=None, cursor="eyJ0IjoxNzcyMzU1NjAwMDAwMDAwfQ" * 2)
    golden.holds("views_ops_payout_backlog_entities_largest", every_way(command))


def test_the_views(api: Api, golden: Golden) -> None:
    api.answers["/v1/views"] = (200, {"views": VIEWS})
    golden.holds("views", every_way(["views", "--api", api.url]))


def test_the_objects_of_bronze(golden: Golden, tmp_path: Path) -> None:
    path = "event={}/dt=2026-03-01/city={}/events.raw+{}+{:020}-{:020}.ndjson.gz"
    written = [
        (path.format("charge.succeeded", "london", 3, 0, 999_999), 999_999, 64 << 20),
        (path.format("studio.verification_requested", LONG_CITY, 12, MOST - 9, MOST), 7, 1234),
    ]
    objects = [
        {"path": name, "rows": rows, "bytes": size, "crc32c": "3q2+7w=="} for name, rows, size in written
    ]
    (tmp_path / "_commits/events.raw/0").mkdir(parents=True)
    commit = json.dumps({"first": 0, "last": 9, "next": 10, "objects": objects})
    (tmp_path / f"_commits/events.raw/0/{0:020}.json").write_text(commit)
    golden.holds("bronze_ls", every_way(["bronze", "ls"], SLUICE_BRONZE_URL=tmp_path.as_uri()))


def test_the_schemas(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    some = ("booking.requested", "dispute.opened", "amenity.used")
    monkeypatch.setattr("streams.cli.schemas.EVENTS", {name: EVENTS[name] for name in some})
    golden.holds("schemas_list", every_way(["schemas", "list"]))


def test_the_settings(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = settings.listing
    some = ("SLUICE_KAFKA", "SLUICE_KAFKA_SASL_MECHANISM", "SLUICE_PARTITIONS")
    monkeypatch.setattr(
        settings, "listing", lambda loaded: [one for one in listing(loaded) if one["variable"] in some]
    )
    brokers = ",".join(f"broker-{number}.kafka.internal:9092" for number in range(4))
    golden.holds("settings", every_way(["settings"], SLUICE_KAFKA=brokers))


def test_the_doctors_findings(golden: Golden) -> None:
    findings = [
        Finding("Kafka", GOOD, "answers at 127.0.0.1:9092"),
        Finding("users of experiments", NOTE, "too few to judge"),
        Finding(
            "lag",
            WRONG,
            "views: events.raw-3 is 9,007,199,254,740,991 records and 93,784 s behind, and no worker has"
            " reported on it for 61 s",
            "start a views worker: `sluice worker views`, or say that there is to be none:"
            " `sluice doctor --without views`",
            "docs/runbooks/worker-down.md",
        ),
    ]
    golden.holds("doctor", every_screen(lambda screen: findings_page(findings, screen)))
