"""Reads what a mapping file has for one member of an event, and checks it before anything is mapped."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from schemas.fields import is_nullable, kind_of
from streams.sources.mappings.declared import values
from streams.sources.mappings.declared.expressions import Expression, ExpressionError
from streams.sources.mappings.declared.nodes import (
    Entry,
    Node,
    Problems,
    elements,
    entries,
    known_entries,
    plain_value,
    text_of,
)
from streams.sources.mappings.declared.values import UNIX, Form, Lookup, Reader

SOURCES = ("expr", "const", "template", "hash", "minor")
"""One of these says where a member's value is from."""
CHANGES = ("time", "zone", "lookup", "default", "slug", "upper")
"""And these what is done with it."""
_PART = re.compile(r"\{([^{}]*)\}")


class Member(NamedTuple):
    """A member that is to be read: what it is called in messages, the field it fills (None: none of the
    catalogue), and what its event_id would be hashed with."""

    what: str
    field: FieldInfo | None
    mapping: str = ""
    event: str = ""


def member(node: Node, about: Member, problems: Problems) -> Reader | None:
    """What reads a member; None where something is wrong with it."""
    if isinstance(node, yaml.ScalarNode):
        read = _expression(node, about.what, problems)
        return None if read is None else _typed(read, about)
    found = known_entries(node, (*SOURCES, *CHANGES), problems, about.what)
    sources = [name for name in SOURCES if name in found]
    if len(sources) != 1:
        if isinstance(node, yaml.MappingNode):
            problems.add(node, f"{about.what} needs exactly one of {', '.join(SOURCES)}")
        return None
    read = _source(found[sources[0]], about, problems)
    read = _changed(read, found, about, problems)
    if sources[0] == "const" and len(found) == 1:
        _check_fits(found["const"].value, about, problems)
    return None if read is None else _typed(read, about)


def expression(node: Node, what: str, problems: Problems) -> Expression | None:
    """A JMESPath expression; None where it is wrong."""
    text = text_of(node, problems, what)
    try:
        return None if text is None else Expression(text)
    except ExpressionError as error:
        problems.add(node, f"{what}: {error}", error.offset)
        return None


def _expression(node: Node, what: str, problems: Problems) -> Reader | None:
    found = expression(node, what, problems)
    return None if found is None else found.of


def _typed(read: Reader, about: Member) -> Reader:
    if about.field is None:
        return read
    return values.as_kind(read, kind_of(about.field), nullable=is_nullable(about.field))


def _source(entry: Entry, about: Member, problems: Problems) -> Reader | None:
    node, what = entry.value, f"{about.what}.{entry.name}"
    if entry.name == "expr":
        return _expression(node, what, problems)
    if entry.name == "const":
        return values.constant(plain_value(node))
    if entry.name == "template":
        return _template(node, what, problems)
    if entry.name == "hash":
        found = [expression(one, what, problems) for one in elements(node, problems, what)]
        known = [one for one in found if one is not None]
        return values.hashed(about.mapping, about.event, known) if known else None
    return _money(node, what, problems)


def _template(node: Node, what: str, problems: Problems) -> Reader | None:
    text = text_of(node, problems, what)
    if text is None:
        return None
    parts: list[str | Expression] = []
    done = 0
    for part in _PART.finditer(text):
        parts.append(text[done : part.start()])
        done = part.end()
        try:
            parts.append(Expression(part[1]))
        except ExpressionError as error:
            problems.add(node, f"{what}: {error}", part.start(1) + error.offset)
            return None
    parts.append(text[done:])
    left_over = [part for part in parts if isinstance(part, str) and ("{" in part or "}" in part)]
    if left_over:
        problems.add(node, f"{what}: a brace is left over: an {{expression}} has none inside")
        return None
    if len(parts) == 1:
        problems.add(node, f"{what}: no {{expression}} is in it, so that it is always the same")
        return None
    return values.template(parts)


def _money(node: Node, what: str, problems: Problems) -> Reader | None:
    found = known_entries(node, ("amount", "currency"), problems, what)
    for name in ("amount", "currency"):
        if name not in found and isinstance(node, yaml.MappingNode):
            problems.add(node, f"{what} needs {name}")
    reads = [
        member(found[name].value, Member(f"{what}.{name}", None), problems)
        for name in ("amount", "currency")
        if name in found
    ]
    amount, currency = [*reads, None, None][:2]
    return None if amount is None or currency is None else values.money(amount, currency)


def _changed(
    read: Reader | None, found: dict[str, Entry], about: Member, problems: Problems
) -> Reader | None:
    form = _form(found, about, problems)
    lookup = _lookup(found, about, problems)
    if read is None:
        return None
    if lookup is not None:
        read = values.looked_up(read, lookup)
    if form is not None:
        read = values.timed(read, form)
    for name, change in (("slug", values.slugged), ("upper", values.upper)):
        if name not in found:
            continue
        if plain_value(found[name].value) is not True:
            problems.add(found[name].value, f"{about.what}.{name} must be true, or left out")
        read = change(read)
    return read


def _form(found: dict[str, Entry], about: Member, problems: Problems) -> Form | None:
    if "time" not in found:
        if "zone" in found:
            problems.add(found["zone"].key, f"{about.what}.zone is for a time of a form of one's own")
        return None
    node = found["time"].value
    pattern = text_of(node, problems, f"{about.what}.time")
    if pattern is None:
        return None
    zone = _zone(found["zone"], about, problems) if "zone" in found else None
    if pattern in UNIX:
        if "zone" in found:
            problems.add(found["zone"].key, f"{about.what}.zone: unix times have none: leave it out")
        return Form(pattern, None)
    if "%" not in pattern:
        problems.add(
            node, f"{about.what}.time must be one of {', '.join(UNIX)}, or a pattern as %Y-%m-%d %H:%M:%S"
        )
        return None
    if "%z" not in pattern and "zone" not in found:
        problems.add(
            node,
            f"{about.what}.time has no zone: name the one that is meant, as in zone: UTC or Europe/Madrid",
        )
    try:
        datetime.strptime(datetime(2026, 3, 1, 12, tzinfo=UTC).strftime(pattern), pattern)  # noqa: DTZ007
    except (ValueError, re.error) as error:
        problems.add(node, f"{about.what}.time is no pattern of times ({error})")
    return Form(pattern, zone)


def _zone(entry: Entry, about: Member, problems: Problems) -> ZoneInfo | None:
    name = text_of(entry.value, problems, f"{about.what}.zone")
    try:
        return None if name is None else ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        problems.add(
            entry.value, f"{about.what}.zone: there is no such zone: it is like UTC or Europe/Madrid"
        )
        return None


def _lookup(found: dict[str, Entry], about: Member, problems: Problems) -> Lookup | None:
    if "lookup" not in found:
        if "default" in found:
            problems.add(found["default"].key, f"{about.what}.default is for a lookup")
        return None
    rows = entries(found["lookup"].value, problems, f"{about.what}.lookup")
    for row in rows:
        _check_fits(row.value, about, problems)
    has_default = "default" in found
    if has_default:
        _check_fits(found["default"].value, about, problems)
    default = plain_value(found["default"].value) if has_default else None
    return Lookup({row.name: plain_value(row.value) for row in rows}, default, has_default)


def _check_fits(node: Node, about: Member, problems: Problems) -> None:
    """A constant has to be what the catalogue takes."""
    if about.field is None:
        return
    fits: Any = Annotated[about.field.annotation, about.field]
    adapter: TypeAdapter[Any] = TypeAdapter(
        fits,
        config=ConfigDict(strict=True, hide_input_in_errors=True),
    )
    value = values.as_kind(
        values.constant(plain_value(node)), kind_of(about.field), nullable=is_nullable(about.field)
    )(None)
    try:
        adapter.validate_python(float(value) if isinstance(value, Decimal) else value)
    except ValidationError as error:
        said = error.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
        problems.add(node, f"{about.what}: {said}")
