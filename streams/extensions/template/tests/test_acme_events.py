"""What is declared is judged, folded and answered by Sluice itself; nothing else needs to run."""

from __future__ import annotations

from typing import Any

from streams.extensions import testing

testing.load("acme_events")


def gift(amount_minor: int, **envelope: Any) -> dict[str, Any]:
    """A gift card of that value that was sold for a birthday."""
    payload = {"gift_id": "gft-1", "occasion": "birthday", "amount_minor": amount_minor, "currency": "EUR"}
    return testing.event("acme_events.gift_sold", payload, **envelope)


def test_examples_are_accepted_and_counter_examples_refused_for_their_field() -> None:
    assert testing.wrong_examples("acme_events") == []


def test_gifts_are_added_up_and_a_repeated_event_counts_once() -> None:
    first = gift(1000, city="oslo")
    assert testing.rows("acme_events_gifts", [first, first, gift(50, city="oslo")]) == [
        {
            "occasion": "birthday",
            "city": "oslo",
            "currency": "EUR",
            "sold": 2,
            "sold_minor": 1050,
            "mean_minor": 525.0,
            "sold_minor_p95": 1000,
        }
    ]


def test_a_window_takes_what_occurred_in_it() -> None:
    early, late = gift(1, occurred_at="2026-03-01T10:00:00Z"), gift(2, occurred_at="2026-03-01T11:30:00Z")
    (row,) = testing.rows("acme_events_gifts", [early, late], window="1h")
    assert (row["city"], row["sold_minor"]) == (None, 2)
