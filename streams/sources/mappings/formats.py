"""The foreign formats that are built in, as `--format` and the routes of `sluice ingest http` call them."""

from __future__ import annotations

from collections.abc import Callable

from streams.settings import Settings
from streams.sources.mappings.cloudevents import CloudEvents
from streams.sources.mappings.connect import Connect
from streams.sources.mappings.debezium import Columns, Debezium
from streams.sources.mappings.mapping import Mapping
from streams.sources.mappings.stripe.mapping import Stripe
from streams.sources.mappings.stripe.webhook import MetadataKeys

FORMATS: dict[str, Callable[[Settings], Mapping]] = {
    "stripe": lambda settings: Stripe(MetadataKeys(**dict(settings.stripe_metadata))),
    "cloudevents": lambda _: CloudEvents(),
    "connect": lambda _: Connect(),
    "debezium": lambda settings: Debezium(Columns(**dict(settings.debezium_columns))),
}
"""Name → the mapping, by the settings."""
