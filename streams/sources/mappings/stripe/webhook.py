"""One webhook event of Stripe, and what every rule reads of it.

Stripe writes times in unix seconds, currencies in lower case, and references as an id or, where they are
expanded, as the object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from streams.sources.mappings.mapping import StopError, Why, not_for_us, refused
from streams.sources.mappings.moments import from_unix
from streams.sources.slugs import slug

SOURCE = "stripe"
WRITTEN_WITH_TWO_DECIMALS = ("ISK", "UGX")
"""Stripe keeps two decimals for them, always 00; ISO 4217, and so Sluice, has none."""
WRITTEN_WITHOUT_DECIMALS = ("MGA",)
"""Stripe has no decimals for it; ISO 4217 has two."""

_EVENT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

Envelope = dict[str, Any]


class MetadataKeys(NamedTuple):
    """Under which keys of Stripe's metadata a booking, a provider and a city are named."""

    booking_id: str = "booking_id"
    provider_id: str = "provider_id"
    city: str = "city"


class Webhook(NamedTuple):
    """A webhook event: its type, its object, and what of that was otherwise before (None: not told)."""

    id: str
    type: str
    occurred_at: str
    api_version: str
    account: str | None
    object: Mapping[str, Any]
    previous: Mapping[str, Any] | None
    keys: MetadataKeys

    def envelope(
        self, event: str, about: str, payload: Mapping[str, Any], *, metadata: Any = None
    ) -> Envelope:
        """An envelope whose event_id is made of what it is `about` (ids of Stripe's) and the event's name."""
        return {
            "event_id": event_id(f"{about}:{event}"),
            "event": event,
            "version": 1,
            "occurred_at": self.occurred_at,
            "source": SOURCE,
            "city": self.city(metadata if metadata is not None else self.object.get("metadata")),
            "trace_id": self.id,
            "payload": payload,
        }

    def own_id(self, what: str) -> str:
        """The object's own id. Raises `StopError`."""
        return named(self.object.get("id"), f"data.object.id ({what})")

    def money(self, amount: Any, field: str, of: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`amount_minor` and `currency` of an object, this one's if not told otherwise."""
        written = (self.object if of is None else of).get("currency")
        currency = written.upper() if isinstance(written, str) else written
        return {"amount_minor": minor_units(amount, currency, field), "currency": currency}

    def from_metadata(self, key: str, metadata: Any = None) -> str | None:
        """A text of the object's metadata; None if there is none."""
        found = self.object.get("metadata") if metadata is None else metadata
        text = found.get(key) if isinstance(found, dict) else None
        return text if isinstance(text, str) and text else None

    def city(self, metadata: Any) -> str | None:
        """The city in some metadata, as a slug."""
        text = self.from_metadata(self.keys.city, metadata if isinstance(metadata, dict) else {})
        return slug(text) if text else None

    def not_for_us(self, why: str) -> StopError:
        """To be raised."""
        return not_for_us(self.type, why)

    @property
    def former_status(self) -> str | None:
        """The status before this event; None if that did not change."""
        status = (self.previous or {}).get("status")
        return status if isinstance(status, str) else None


def webhook_of(event: Mapping[str, Any], keys: MetadataKeys) -> Webhook:
    """The event in a JSON object. Raises `StopError`."""
    if event.get("object") == "v2.core.event":
        raise not_for_us(event.get("type"), "a thin event: it has no object in it")
    data = event.get("data")
    if event.get("object") != "event" or not isinstance(data, dict) or "type" not in event:
        raise refused(
            Why.WRONG_FORMAT, "it is no Stripe event: it needs object `event`, type and data.object"
        )
    if not isinstance(event["type"], str):
        raise refused(Why.FIELD, "type: must be text", "type")
    about, previous = data.get("object"), data.get("previous_attributes")
    if not isinstance(about, dict):
        raise refused(Why.FIELD, "data.object: must be an object", "data.object")
    version, account = event.get("api_version"), event.get("account")
    return Webhook(
        named(event.get("id"), "id"),
        event["type"],
        moment(event.get("created"), "created"),
        version if isinstance(version, str) else "",
        account if isinstance(account, str) else None,
        about,
        previous if isinstance(previous, dict) else None,
        keys,
    )


def event_id(name: str) -> str:
    """The name itself where an event_id may be so; else a hash of it."""
    if _EVENT_ID.fullmatch(name):
        return name
    return f"{SOURCE}:{sha256(name.encode()).hexdigest()[:48]}"


def reference(value: Any) -> str | None:
    """The id that a reference has, expanded or not."""
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, str) and found else None


def named(value: Any, field: str) -> str:
    """An id that has to be there. Raises `StopError`."""
    found = reference(value)
    if found is None:
        raise refused(Why.FIELD, f"{field}: must be an id", field.partition(" ")[0])
    return found


def moment(value: Any, field: str) -> str:
    """Unix seconds as RFC 3339. Raises `StopError`."""
    try:
        return from_unix(value)
    except ValueError as error:
        raise refused(Why.FIELD, f"{field}: unix seconds; it {error}", field) from None


def minor_units(amount: Any, currency: Any, field: str) -> Any:
    """Stripe's amount in the minor unit of ISO 4217: the same number, but for three currencies.

    What is no integer stays as it is, for the catalogue to refuse. Raises `StopError`.
    """
    if type(amount) is not int:
        return amount
    if currency in WRITTEN_WITHOUT_DECIMALS:
        return amount * 100
    if currency in WRITTEN_WITH_TWO_DECIMALS:
        whole, rest = divmod(amount, 100)
        if rest:
            detail = f"{field}: not a multiple of 100, which Stripe's amounts in this currency are"
            raise refused(Why.FIELD, detail, field)
        return whole
    return amount
