"""Bookings that wait for their provider's answer, and what came of the others (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.entity_measures import Count
from tables.spec.fields import Kind
from tables.spec.measures import Ratio
from tables.spec.tile import Tile, TileKind
from tables.spec.tracked import Deadline, Kept, Selection, Stage, Tracked
from tables.spec.view import Entity

HOUR_SECONDS = 3_600

OPS_ACCEPTANCE_WINDOWS = Entity(
    name="ops_acceptance_windows",
    description="Bookings requested, by the latest of request and answer; deadlines at as_of.",
    dimensions=("city",),
    tracks=Tracked(
        id_fields=("booking_id",),
        stages=(
            Stage("booking.requested", "requested", 0, opens=True),
            Stage("booking.expired", "expired", 1, closes=True),
            Stage("booking.declined", "declined", 2, closes=True),
            Stage("booking.accepted", "accepted", 3, closes=True),
        ),
        keep=(Kept("accept_by", Kind.TIME), Kept("provider_id")),
        selections=(
            Selection(
                "open", "Requested, to be answered at as_of or later", ("requested",),
                Deadline("accept_by", since_seconds=0),
            ),
            Selection(
                "expiring_1h", "Open, to be answered within an hour of as_of", ("requested",),
                Deadline("accept_by", since_seconds=0, until_seconds=HOUR_SECONDS),
            ),
            Selection(
                "breached", "Requested, to be answered before as_of", ("requested",),
                Deadline("accept_by", until_seconds=0),
            ),
            Selection("accepted", "Accepted", ("accepted",)),
            Selection("declined", "Declined", ("declined",)),
            Selection("expired", "Expired", ("expired",)),
        ),
    ),
    measures=(
        Count("open", "Bookings that may still be answered in time", "open"),
        Count("expiring_1h", "Of these, those to be answered within an hour of as_of", "expiring_1h"),
        Count("breached", "Bookings that were not answered in time", "breached"),
        Count("accepted", "Bookings accepted", "accepted"),
        Count("declined", "Bookings declined", "declined"),
        Count("expired", "Bookings expired", "expired"),
        Ratio(
            "acceptance_rate", "Accepted ÷ accepted, declined, expired and breached", ("accepted",),
            ("accepted", "declined", "expired", "breached"),
        ),
    ),
    tiles=(
        Tile(
            "Operations", "Acceptance windows", TileKind.NUMBERS,
            ("acceptance_rate", "open", "expiring_1h", "breached", "accepted", "declined", "expired"),
            states=("breached", "expiring_1h", "open"),
        ),
    ),
)  # fmt: skip
