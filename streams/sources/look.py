"""What a file looks like that holds no events, in words, and which `--format` fits, if one does.

Names of members and columns are told, values never: a file that is no file of events may be of anything.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

import msgspec

from streams.sources.envelope import UNREADABLE_JSON, members, seen
from streams.sources.online_retail_csv import columns_of

MEANT = "send it anyway with --force"
NEEDED = "an event has event_id, event, version, occurred_at, source and payload"
MOST_NAMES = 12
MOST_LINES = 20
DELIMITERS = ",;\t|"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ .\-/#]{0,39}")
_JSON_BEGINS = re.compile(rb"\[?\s*\{")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_OBJECTS = (
    (frozenset({"object", "type", "data"}), "Stripe webhook events", "stripe"),
    (frozenset({"specversion", "type", "source"}), "CloudEvents", "cloudevents"),
    (frozenset({"detail-type", "detail"}), "EventBridge events", None),
    (frozenset({"before", "after", "op"}), "Debezium changes", "debezium"),
    (frozenset({"schema", "payload"}), "Kafka Connect records with their schema", "connect"),
    (frozenset({"code", "reason", "value_base64"}), "lines of Bronze's _bad (see quarantine replay)", None),
)  # fmt: skip


def what_it_is(texts: Sequence[bytes]) -> str:
    """The first values or lines of a file (at least one, none an envelope), in one line of words."""
    if any(_CONTROL.search(text) for text in texts):
        return f"it looks like binary data, not like events ({MEANT})"
    objects = [names for text in texts if (names := members(text)) is not None]
    if objects:
        looks, format_name = _of_objects(objects)
        if format_name is not None:
            return f"it looks like {looks}: replay it with --format {format_name}"
        return f"it looks like {looks}: {NEEDED} ({MEANT})"
    columns = _columns(texts)
    if columns is not None and columns_of(columns):
        return "it looks like the Online Retail CSV: replay it with --format online-retail"
    return f"it looks like {_of_lines(texts, columns)}: {NEEDED} ({MEANT})"


def _of_objects(objects: Sequence[set[str]]) -> tuple[str, str | None]:
    """What they look like, and the `--format` that fits."""
    for needed, kind, format_name in _OBJECTS:
        if all(needed <= names for names in objects):
            return kind, format_name
    names = sorted(name for name in set.union(*objects) if _NAME.fullmatch(name))
    if not names:
        return "JSON without an envelope's members", None
    return f"JSON without an envelope's members (it has {_listed(names)})", None


def _of_lines(texts: Sequence[bytes], columns: list[str] | None) -> str:
    first = texts[0].lstrip()
    if first.startswith(b"<"):
        return "XML or HTML"
    for is_so, what in _WRAPPED.items():
        if all(map(is_so, texts)):
            return what
    if columns is not None:
        if all(_NAME.fullmatch(column) for column in columns) and len(texts) > 1:
            return f"CSV with the columns {_listed(columns)}"
        return f"CSV with {len(columns)} columns"
    if _JSON_BEGINS.match(first):
        return "damaged JSON"
    return "JSON values that are no objects" if all(map(_is_json, texts)) else "lines of text"


def _columns(texts: Sequence[bytes]) -> list[str] | None:
    """The first line's columns if these are lines of CSV."""
    lines = [line.decode("utf-8", "replace") for text in texts for line in text.splitlines()][:MOST_LINES]
    lines = [line.lstrip("\ufeff") for line in lines] or [""]
    if lines[0].lstrip().startswith(("{", "[", "<")):
        return None
    for delimiter in DELIMITERS:
        try:
            rows = list(csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            continue
        if len(rows[0]) > 1 and all(len(row) == len(rows[0]) for row in rows[:-1]):
            return rows[0]
    return None


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except UNREADABLE_JSON:
        return False
    return True


def _holds_object(text: bytes) -> bool:
    try:
        return members(msgspec.json.decode(text, type=str).encode()) is not None
    except UNREADABLE_JSON:
        return False


def _ends_in_event(text: bytes) -> bool:
    found = seen(text[text.find(b"{") :]) if b"{" in text else None
    return found is not None and found.is_envelope


_WRAPPED = {
    _holds_object: "JSON that was encoded a second time, as text (jq -r . undoes that)",
    _ends_in_event: "events with other text before them, as in a log (sed 's/^[^{]*//' leaves the events)",
}


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
