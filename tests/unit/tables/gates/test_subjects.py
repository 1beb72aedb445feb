"""Whose alarms may be seen, and how keys and subjects are written."""

from __future__ import annotations

import pytest

from tables.gates.declared import GATES
from tables.gates.records import key_of_subject, record_key, split_key, subject_of
from tables.gates.subjects import may_see

LONDON = frozenset({"london"})


@pytest.mark.parametrize(
    ("subject", "seen"),
    [
        ("recon/london|GBP", True),
        ("recon/paris|EUR", False),
        ("recon/|GBP", False),  # events without a city
        ("payout_backlog/london|GBP", True),
        ("payout_backlog/paris|GBP", False),
        ("promo_overspend/london|GBP", False),  # a campaign of that name
        ("experiment_srm/london", False),
        ("no_such_gate/london|GBP", False),
        ("recon/london", False),
        ("events.raw-3", False),
        ("ops_recon_variance", False),
    ],
)
def test_alarms_of_the_gates_of_ones_cities_may_be_seen(subject: str, seen: bool) -> None:
    assert may_see(subject, GATES, LONDON) is seen
    assert may_see(subject, GATES, None)


@pytest.mark.parametrize(
    ("gate", "values", "key"),
    [
        ("recon", ("london", "GBP"), b"london|GBP"),
        ("recon", (None, "GBP"), b"|GBP"),
        ("promo_overspend", ("a|b%7C/c", "GBP"), b"promo_overspend/a%7Cb%257C/c|GBP"),
        ("quarantine_share", (None,), b"quarantine_share/"),
    ],
)
def test_a_key_tells_the_gate_and_its_values(gate: str, values: tuple[str | None, ...], key: bytes) -> None:
    assert record_key(gate, values) == key
    assert split_key(key) == (gate, values)
    assert key_of_subject(subject_of(key)) == key
    assert split_key(b"\xff|GBP") is None
