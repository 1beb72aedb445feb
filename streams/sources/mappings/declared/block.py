"""One event of a mapping file: when there is one, and what its members are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from schemas.catalogue import EVENTS
from schemas.types import Envelope
from streams.sources.mappings.declared import values
from streams.sources.mappings.declared.expressions import Expression, FailedError
from streams.sources.mappings.declared.members import Member, expression, member
from streams.sources.mappings.declared.nodes import (
    Entry,
    Node,
    Problems,
    entries,
    hint,
    known_entries,
    text_of,
)
from streams.sources.mappings.declared.values import Reader, UnfitError
from streams.sources.mappings.mapping import Why, refused

KEYS = ("where", "event", "event_id", "occurred_at", "source", "city", "trace_id", "payload")
NEEDED = ("event", "event_id", "occurred_at", "payload")
ENVELOPE = ("event_id", "occurred_at", "source", "city", "trace_id")


@dataclass(frozen=True)
class Block:
    """An event: the condition, its name, the readers of its envelope's members and of its payload's."""

    where: Expression | None
    event: str
    envelope: Mapping[str, Reader]
    payload: Mapping[str, Reader]

    def is_meant(self, value: Any) -> bool:
        """Whether a foreign object is this event. Raises `StopError`."""
        if self.where is None:
            return True
        try:
            return _is_true(self.where.of(value))
        except FailedError as error:
            raise refused(Why.FIELD, f"where {error}", "where") from None

    def made_of(self, value: Any) -> dict[str, Any]:
        """The envelope that a foreign object is. Raises `StopError`."""
        envelope = {name: _read(read, value, name) for name, read in self.envelope.items()}
        payload = {name: _read(read, value, f"payload.{name}") for name, read in self.payload.items()}
        present = {name: found for name, found in payload.items() if found is not None}
        return {**envelope, "event": self.event, "version": EVENTS[self.event].version, "payload": present}


def _is_true(found: Any) -> bool:
    """As JMESPath has it: a number is true, 0 too."""
    return found is not None and found is not False and found not in ("", [], {})


def _read(read: Reader, value: Any, name: str) -> Any:
    try:
        return read(value)
    except UnfitError as error:
        raise refused(Why.FIELD, f"{name} {error}", name) from None
    except FailedError as error:
        raise refused(Why.FIELD, f"{name}: its expression {error}", name) from None


def block(found: Mapping[str, Entry], node: Node, name: str, problems: Problems) -> Block | None:
    """The event that these entries declare; None where something is wrong. `name`: the mapping's."""
    for needed in NEEDED:
        if needed not in found:
            problems.add(node, f"{needed} is missing")
    where = expression(found["where"].value, "where", problems) if "where" in found else None
    event = _event(found["event"], problems) if "event" in found else None
    envelope = _envelope(found, name, event, problems)
    payload = _payload(found["payload"].value, event, name, problems) if "payload" in found else {}
    if event is None:
        return None
    return Block(where, event, envelope, payload)


def _event(entry: Entry, problems: Problems) -> str | None:
    event = text_of(entry.value, problems, "event")
    if event is None or event in EVENTS:
        return event
    problems.add(entry.value, f"there is no event {event}{hint(event, EVENTS)}")
    return None


def _envelope(
    found: Mapping[str, Entry], name: str, event: str | None, problems: Problems
) -> dict[str, Reader]:
    readers: dict[str, Reader] = {"source": values.constant(name)}
    for part in ENVELOPE:
        if part not in found:
            continue
        node = found[part].value
        if part == "source" and isinstance(node, yaml.ScalarNode):  # a name, as it mostly is
            readers[part] = values.constant(str(node.value))
            continue
        read = member(node, Member(part, Envelope.model_fields[part], name, event or ""), problems)
        if read is not None:
            readers[part] = read
    return readers


def _payload(node: Node, event: str | None, name: str, problems: Problems) -> dict[str, Reader]:
    if event is None:  # what its fields are is not known: they are read for what is wrong in themselves
        for entry in entries(node, problems, "payload"):
            member(entry.value, Member(f"payload.{entry.name}", None), problems)
        return {}
    fields: dict[str, FieldInfo] = EVENTS[event].payload.model_fields
    found = known_entries(node, fields, problems, f"the payload of {event}")
    for needed, field in fields.items():
        if field.is_required() and needed not in found and isinstance(node, yaml.MappingNode):
            problems.add(node, f"the payload of {event} needs {needed}")
    readers = {
        field_name: member(
            entry.value, Member(f"payload.{field_name}", fields[field_name], name, event), problems
        )
        for field_name, entry in found.items()
    }
    return {field_name: read for field_name, read in readers.items() if read is not None}
