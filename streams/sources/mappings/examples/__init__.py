"""Examples of every built-in mapping: each is a test, and is shown in docs/reference/sources.md."""

from __future__ import annotations

from collections.abc import Sequence

from streams.sources.mappings.examples.cloudevents import CLOUDEVENTS
from streams.sources.mappings.examples.kafka import CONNECT, DEBEZIUM
from streams.sources.mappings.examples.stripe import STRIPE
from streams.sources.mappings.mapping import Example

EXAMPLES: dict[str, Sequence[Example]] = {
    "stripe": STRIPE,
    "cloudevents": CLOUDEVENTS,
    "connect": CONNECT,
    "debezium": DEBEZIUM,
}
"""Format → its examples."""
