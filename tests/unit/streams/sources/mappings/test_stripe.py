"""Rules of Stripe's mapping that no example shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.validation.validator import Validator
from streams.settings import SettingError, Settings
from streams.sources.mappings.examples.stripe import STRIPE, webhook
from streams.sources.mappings.formats import FORMATS
from streams.sources.mappings.mapping import Mapping, NotForUs, Refused
from streams.sources.mappings.stripe.mapping import Stripe
from streams.sources.mappings.verdicts import Accepted, verdicts

GIVEN = {example.title: example.given for example in STRIPE}
CHARGE = GIVEN["a charge"]
TWO_REFUNDS = GIVEN["a charge's second refund: the first one was told before"]


def verdict_on(given: Any, mapping: Mapping | None = None) -> Any:
    (verdict,) = verdicts(mapping or Stripe(), [json.dumps(given).encode()], Validator(), -1)
    return verdict


def events_of(given: Any, mapping: Mapping | None = None) -> list[Any]:
    verdict = verdict_on(given, mapping)
    assert isinstance(verdict, Accepted), verdict
    return [json.loads(event.value) for event in verdict.events]


def changed(given: dict[str, Any], **members: Any) -> dict[str, Any]:
    about = {**given["data"]["object"], **members}
    return {**given, "data": {**given["data"], "object": about}}


def test_a_webhook_that_is_delivered_twice_has_the_same_event_id() -> None:
    again = {**CHARGE, "id": "evt_2", "created": CHARGE["created"] + 60, "pending_webhooks": 0}
    assert events_of(again)[0]["event_id"] == events_of(CHARGE)[0]["event_id"]


def test_a_long_or_odd_id_is_hashed() -> None:
    (long,) = events_of(changed(CHARGE, id="ch_" + "x" * 70))
    (other,) = events_of(changed(CHARGE, id="ch_" + "y" * 70))
    assert long["event_id"].startswith("stripe:")
    assert long["event_id"] != other["event_id"]
    (odd,) = events_of(changed(CHARGE, id="ch 1"))
    assert odd["payload"]["charge_id"] == "ch 1"
    assert odd["event_id"].startswith("stripe:")


def test_the_keys_of_metadata_are_a_setting() -> None:
    settings = Settings.load({"SLUICE_STRIPE_METADATA": "booking_id=order, city=town"})
    given = changed(CHARGE, metadata={"order": "o-1", "town": "Málaga", "booking_id": "no", "city": "no"})
    (event,) = events_of(given, FORMATS["stripe"](settings))
    assert (event["payload"]["booking_id"], event["city"]) == ("o-1", "malaga")


@pytest.mark.parametrize("text", ["booking=order", "booking_id", "booking_id=", "city=a,city=b"])
def test_a_wrong_setting_says_which_names_there_are(text: str) -> None:
    with pytest.raises(SettingError, match="booking_id, provider_id, city"):
        Settings.load({"SLUICE_STRIPE_METADATA": text})


@pytest.mark.parametrize("currency", ["isk", "ugx"])
def test_a_fraction_of_what_has_none_is_refused(currency: str) -> None:
    verdict = verdict_on(changed(CHARGE, currency=currency, amount_captured=150))
    assert isinstance(verdict, Refused)
    assert verdict.field == "data.object.amount_captured"


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"amount_captured": 20.5}, "amount_minor"),
        ({"amount_captured": "2000"}, "amount_minor"),
        ({"amount_captured": -1}, "amount_minor"),
        ({"amount_captured": 2**53}, "amount_minor"),
        ({"currency": None}, "currency"),
        ({"currency": "us"}, "currency"),
        ({"id": None}, "data.object.id"),
    ],
)
def test_what_the_catalogue_does_not_take_is_refused_before_it_is_sent(
    members: dict[str, Any], field: str
) -> None:
    verdict = verdict_on(changed(CHARGE, **members))
    assert isinstance(verdict, Refused)
    assert verdict.field == field


@pytest.mark.parametrize("created", [None, True, "1772366400", 10**15, -(10**15)])
def test_a_time_that_is_none_is_refused(created: Any) -> None:
    verdict = verdict_on({**CHARGE, "created": created})
    assert isinstance(verdict, Refused)
    assert verdict.field == "created"


def test_one_bad_part_refuses_the_whole_webhook() -> None:
    fees = [{"amount": "88", "currency": "usd", "type": "stripe_fee"}]
    verdict = verdict_on(changed(CHARGE, balance_transaction={"id": "txn_1", "fee_details": fees}))
    assert isinstance(verdict, Refused)


def test_refunds_are_new_by_the_list_that_was_before() -> None:
    former = TWO_REFUNDS["data"]["object"]["refunds"]["data"][1]
    previous = {"amount_refunded": 700, "refunds": {"data": [former]}}
    given = {**TWO_REFUNDS, "data": {**TWO_REFUNDS["data"], "previous_attributes": previous}}
    assert [event["payload"]["refund_id"] for event in events_of(given)] == ["re_2"]


@pytest.mark.parametrize("previous", [{}, {"amount_refunded": 1}, None])
def test_refunds_of_which_it_is_not_known_which_are_new_are_refused(previous: Any) -> None:
    data = {**TWO_REFUNDS["data"], "previous_attributes": previous}
    verdict = verdict_on({**TWO_REFUNDS, "data": data})
    assert isinstance(verdict, Refused)
    assert verdict.field == "data.previous_attributes"


def test_nothing_captured_is_nothing_refunded() -> None:
    verdict = verdict_on(changed(TWO_REFUNDS, captured=False))
    assert isinstance(verdict, NotForUs)


def test_a_page_of_the_list_of_events_is_its_events() -> None:
    page = {"object": "list", "data": [CHARGE, GIVEN["a customer"]], "has_more": False}
    values = Stripe().values(json.dumps(page).encode())
    assert [json.loads(value) for value in values] == page["data"]
    text = json.dumps(changed(CHARGE, refunds={"object": "list", "data": []})).encode()
    assert list(Stripe().values(text)) == [text]


def test_a_type_is_shown_only_if_it_is_a_name() -> None:
    verdict = verdict_on(webhook("ann@example.com <b>", {}))
    assert isinstance(verdict, NotForUs)
    assert verdict.kind == "_other"


def test_payouts_of_old_transfers() -> None:
    about = {"id": "tr_1", "amount": 67, "currency": "usd", "status": "paid", "date": 1381104000}
    about |= {"recipient": "rp_1", "metadata": {}}
    (event,) = events_of(webhook("transfer.created", about))
    assert event["payload"]["provider_id"] == "rp_1"
    assert event["payload"]["due_at"] == "2013-10-07T00:00:00Z"
