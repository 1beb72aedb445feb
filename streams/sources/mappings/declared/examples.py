"""The examples of a mapping file: what comes in, and what it has to be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from schemas.types import Envelope
from schemas.validation.validator import Validator
from streams.sources.mappings.declared.nodes import Node, Problems, known_entries, plain_value, text_of
from streams.sources.mappings.mapping import Mapping, NotForUs, Refused, encoded
from streams.sources.mappings.verdicts import Accepted, Verdict, verdicts

OUTCOMES = ("out", "refused", "not_for_us")
NO_TIMESTAMP = -1
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class FileExample(NamedTuple):
    """An example and its line: `given` is mapped to one of the others. `out`: members of envelopes, each with
    its payload as a whole; `refused`: the field that is named."""

    line: int
    title: str
    given: Any
    out: list[dict[str, Any]] | None
    refused: str | None


def example(node: Node, problems: Problems) -> FileExample | None:
    """Read an example; None where it is wrong."""
    found = known_entries(node, ("title", "in", *OUTCOMES), problems, "an example")
    outcomes = [name for name in OUTCOMES if name in found]
    if "in" not in found or len(outcomes) != 1:
        problems.add(node, f"an example needs in, and one of {', '.join(OUTCOMES)}")
        return None
    title = text_of(found["title"].value, problems, "title") if "title" in found else None
    out = _out(found["out"].value, problems) if "out" in found else None
    field = text_of(found["refused"].value, problems, "refused") if "refused" in found else None
    if "not_for_us" in found and plain_value(found["not_for_us"].value) is not True:
        problems.add(found["not_for_us"].value, "not_for_us must be true, or left out")
    return FileExample(node.start_mark.line + 1, title or "", plain_value(found["in"].value), out, field)


def _out(node: Node, problems: Problems) -> list[dict[str, Any]]:
    said = plain_value(node)
    envelopes: list[Any] = said if isinstance(said, list) else [said]
    for envelope in envelopes:
        known = isinstance(envelope, dict) and all(name in Envelope.model_fields for name in envelope)
        if not known or not envelope:
            members = ", ".join(Envelope.model_fields)
            problems.add(node, f"out must be an envelope, or a list of them, with some of {members}")
            return []
    return envelopes


def wrong(one: FileExample, mapping: Mapping, validator: Validator) -> str | None:
    """What is otherwise than the example says, in words; None if nothing is."""
    (verdict,) = verdicts(mapping, [encoded(one.given)], validator, NO_TIMESTAMP)
    called = f"the example{f' {one.title!r}' if one.title else ''}"
    problem = _difference(one, verdict)
    return None if problem is None else f"{called} {problem}"


def _difference(one: FileExample, verdict: Verdict) -> str | None:
    if isinstance(verdict, Refused):
        told = f"is refused ({verdict.reason}: {verdict.detail})"
        return None if one.refused is not None and one.refused == verdict.field else told
    if isinstance(verdict, NotForUs):
        is_right = one.out is None and one.refused is None
        return None if is_right else f"is not for us ({verdict.why})"
    if one.out is None:
        return "is accepted"
    return _unlike(one.out, verdict)


def _unlike(expected: list[dict[str, Any]], verdict: Accepted) -> str | None:
    if len(expected) != len(verdict.events):
        return f"is {len(verdict.events)} events, not {len(expected)}"
    for number, (wanted, event) in enumerate(zip(expected, verdict.events, strict=True), 1):
        envelope = _decode(event.value)
        for name, value in wanted.items():
            if envelope.get(name) != value:
                found = encoded({name: envelope.get(name)}).decode()
                return f"is otherwise in {name} of event {number}: it is {found}"
    return None
