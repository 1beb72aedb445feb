"""What is done with a record, the same in each Python job: judged completely, and its money named.

docs/contract.md §1 is followed but for the rule that common readers must agree on a record. Texts that
repeat (cities, currencies, minutes, deadlines) are checked once and remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.bench.peers.contestants.decoding import (
    Schema,
    checked_type,
    decoder_of,
    event_structs,
    schemas_in,
)

MAX_BYTES = 65_536
AHEAD_MS = 300_000
REMEMBERED = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):([0-5]\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):([0-5]\d))",
    re.ASCII,
)

Group = tuple[str, str | None, str, int]
"""Event, city, currency, and minute since 1970 UTC."""

Verdict = str | tuple[Group, int] | None
"""Why a record is bad; or its money, group and amount; or None: good, but without money."""


def key_of(group: Group) -> str:
    """A group as the key of state: no city is an empty one."""
    name, city, currency, minute = group
    return f"{name}|{city or ''}|{currency}|{minute}"


class _Kind(NamedTuple):
    name: str
    instants: tuple[str, ...]
    has_money: bool


class _Texts:
    """Texts that repeat, of a pattern: those seen to match as a whole."""

    def __init__(self, schema: Schema) -> None:
        pattern = next(option["pattern"] for option in schema.get("anyOf", [schema]) if "pattern" in option)
        self._matches = re.compile(pattern.removeprefix("^").removesuffix("$")).fullmatch
        self.known: set[str | None] = {None}

    def match(self, text: str) -> bool:
        """Whether it matches; it is remembered then."""
        if not self._matches(text):
            return False
        if len(self.known) < REMEMBERED:
            self.known.add(text)
        return True


def instant_us(text: str) -> int | None:
    """Microseconds since 1970 UTC, rounded down; None for what RFC 3339 does not allow."""
    found = INSTANT.fullmatch(text)
    if found is None:
        return None
    date, minute, seconds, fraction, sign, hours, minutes = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{minute}:{seconds}+00:00")
        if sign:
            ahead = timedelta(hours=int(hours), minutes=int(minutes))
            if ahead >= timedelta(days=1):
                return None
            moment += -ahead if sign == "+" else ahead
    except (ValueError, OverflowError):
        return None
    return (moment - EPOCH) // timedelta(microseconds=1) + int((fraction or "").ljust(6, "0")[:6])


def judge_of(folder: Path) -> Callable[[bytes | None, int], Verdict]:  # noqa: C901
    """The judge by the JSON Schemas in a folder: takes a record's value and its Kafka timestamp in ms."""
    schemas = schemas_in(folder)
    structs = event_structs(schemas, checked_type)
    decode = decoder_of(structs).decode
    kinds = {struct: _kind(name, schemas[name]) for name, struct in structs.items()}
    envelope = next(iter(schemas.values()))["properties"]
    id_matches = re.compile(envelope["event_id"]["pattern"].removeprefix("^").removesuffix("$")).fullmatch
    cities, currencies = _Texts(envelope["city"]), _Texts(_currency(schemas))
    known_cities, known_currencies = cities.known, currencies.known
    minutes: dict[str, int] = {}
    known_instants: set[str | None] = {None}

    def minute_of(text: str, timestamp_ms: int) -> int | str:
        """The minute of `occurred_at`, or why it is wrong."""
        at_us = instant_us(text)
        if at_us is None:
            return "occurred_at"
        if timestamp_ms >= 0 and at_us > (timestamp_ms + AHEAD_MS) * 1000:
            return "in_future"
        minute = at_us // 60_000_000
        if len(text) == 24 and text[-1] == "Z" and len(minutes) < REMEMBERED:
            minutes[text[:16]] = minute
        return minute

    in_utc = re.compile(r":[0-5]\d\.\d{3}Z", re.ASCII).fullmatch

    # One function, as every call would cost each event.
    def judge(value: bytes | None, timestamp_ms: int) -> Verdict:  # noqa: C901, PLR0911, PLR0912
        if not value:
            return "empty"
        if len(value) > MAX_BYTES:
            return "too_large"
        if value[0] == 0:
            return "avro_undecodable"
        try:
            if not value.isascii():
                value.decode()
            event = decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return str(error)[:200]
        if not id_matches(event.event_id):
            return "event_id"
        city = event.city
        if city not in known_cities and not cities.match(city):
            return "city"
        payload = event.payload
        name, instants, has_money = kinds[event.__class__]
        for member in instants:
            instant = getattr(payload, member)
            if instant not in known_instants:
                if instant_us(instant) is None:
                    return member
                if len(known_instants) < REMEMBERED:
                    known_instants.add(instant)
        text = event.occurred_at
        minute: Any = minutes.get(text[:16])
        # A minute that was seen, in the usual form, that ends before what would be too far ahead.
        if minute is None or not in_utc(text, 16) or (minute + 1) * 60_000 > timestamp_ms + AHEAD_MS:
            minute = minute_of(text, timestamp_ms)
        if minute.__class__ is str:
            return minute
        if not has_money:
            return None
        currency = payload.currency
        if currency not in known_currencies and not currencies.match(currency):
            return "currency"
        return (name, city, currency, minute), payload.amount_minor

    return judge


def _kind(name: str, schema: Schema) -> _Kind:
    members: dict[str, Any] = schema["properties"]["payload"]["properties"]
    instants = tuple(member for member, of in members.items() if _is_instant(of))
    return _Kind(name, instants, "amount_minor" in members)


def _is_instant(schema: Schema) -> bool:
    return any(option.get("format") == "date-time" for option in schema.get("anyOf", [schema]))


def _currency(schemas: dict[str, Schema]) -> Schema:
    payloads = (schema["properties"]["payload"]["properties"] for schema in schemas.values())
    return next(members["currency"] for members in payloads if "currency" in members)
