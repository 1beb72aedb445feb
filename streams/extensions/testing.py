"""For the tests of an extension: its own declarations, judged, folded and answered as in production.

from streams.extensions import testing

testing.load("acme_events")

def test_the_examples() -> None:
    assert testing.wrong_examples("acme_events") == []

def test_the_view() -> None:
    sold = testing.event("gift.sold", {"gift_id": "g-1", …}, city="oslo")
    assert testing.rows("gift_sales", [sold]) == [{"city": "oslo", …}]
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from schemas.extensions import extensions
from streams.extensions import loading

NOW = "2026-03-01T12:00:00Z"
"""When the events of a test occur, if they do not say otherwise, and what `now` is."""
NOW_US = 1_772_366_400_000_000
TOPIC = "events.raw"

_numbers = count(1)


class RefusedError(AssertionError):
    """An event of a test is no valid one: `str()` gives the reason and the field."""


def load(*packages: str) -> None:
    """Load exactly these packages, whatever SLUICE_EXTENSIONS says, before anything that needs the catalogue.

    One process of tests has one set of extensions: where several are tested together, name all each time.
    Raises as `streams.extensions.loading.load`.
    """
    loading.load_packages(dict.fromkeys(packages, "testing.load"))


def event(name: str, payload: Mapping[str, Any], **envelope: Any) -> dict[str, Any]:
    """An event as a producer writes it, with an id of its own. `envelope`: members that differ from the
    usual."""
    usual = {"event_id": f"test-{next(_numbers)}", "version": 1, "occurred_at": NOW, "source": "test"}
    return {**usual, "event": name, **envelope, "payload": dict(payload)}


def refusal(record: Mapping[str, Any]) -> str | None:
    """Why an event would be quarantined: its reason, and after a blank the field; None if it is accepted."""
    from schemas.validation.reasons import Quarantined  # noqa: PLC0415 - after the extensions
    from schemas.validation.validator import Validator  # noqa: PLC0415

    verdict = Validator().validate(json.dumps(record).encode(), NOW_US // 1000)
    return f"{verdict.reason.value} {verdict.field}".strip() if isinstance(verdict, Quarantined) else None


def wrong_examples(package: str) -> list[str]:
    """Which examples of a package are refused, and which counter-examples are not, or for another field."""
    (extension,) = (one for one in extensions() if one.package == package)
    tried = [
        (f"{spec.name}: {what}", expected, refusal(event(spec.name, payload, version=spec.version)))
        for spec in extension.events
        for what, payload, expected in [
            *(("an example", example, None) for example in spec.examples),
            *(
                (f"the counter-example for {field}", spec.patched(patch), f"payload_field {field}")
                for patch, field in spec.counter_examples
            ),
        ]
    ]
    return [f"{what}: {why or 'accepted'}" for what, expected, why in tried if why != expected]


def rows(view: str, events: Iterable[Mapping[str, Any]], **query: str) -> list[dict[str, Any]]:
    """What a view answers once these events have been folded, in their order.

    `query`: parameters of GET /v1/views/{name}, `from_` for `from`; without any, all there is. Raises
    `RefusedError` for an event that is quarantined.
    """
    from schemas.validation.validator import Validator  # noqa: PLC0415 - after the extensions
    from tables.fold.limits import Limits  # noqa: PLC0415
    from tables.fold.state import PartitionState  # noqa: PLC0415
    from tables.query.params import parse_view_query  # noqa: PLC0415
    from tables.query.views import answer_view  # noqa: PLC0415
    from tables.read.state import ReaderState  # noqa: PLC0415
    from tables.read.status import Situation  # noqa: PLC0415
    from tables.views import VIEWS  # noqa: PLC0415

    values: list[bytes | None] = [json.dumps(one).encode() for one in events]
    now_ms = NOW_US // 1000
    state = PartitionState(TOPIC, VIEWS.values(), Limits(2880, 840, 3600, 168))
    decoded = Validator().decode_batch(
        values, [now_ms] * len(values), state.readers, with_sources=state.wants_sources
    )
    for index, verdict in decoded.bad:
        raise RefusedError(f"event {index} of the test: {verdict.reason.value} {verdict.field}".strip())
    state.fold(decoded, [now_ms] * len(values), first_offset=0, next_offset=len(values), now_ms=now_ms)
    reader = ReaderState(VIEWS, 2880, 840)
    reader.apply(0, [(key, value, now_ms) for key, value in state.changes(now_ms)], monotonic=0.0)
    situation = Situation(NOW_US, 0.0, {TOPIC: 1}, True, "wall", 60, 10)
    asked = [(name.rstrip("_"), text) for name, text in query.items()]
    if not query.keys() & {"from_", "to", "window"}:
        asked += [("from", "2000-01-01T00:00:00Z"), ("to", "2100-01-01T00:00:00Z")]
    found: list[dict[str, Any]] = answer_view(
        reader, VIEWS[view], parse_view_query(VIEWS[view], asked), situation
    )["rows"]
    return found
