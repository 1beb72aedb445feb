"""Whether declared events can be decoded, stored and shown: asked of what extensions declare when the
catalogue is built, and of the project's own events by a test.

Two decoders judge each record (`schemas.validation`), so a payload's fields are of types that both read
alike: those of `schemas.types`, and limits, choices and plain patterns of one's own.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from keyword import iskeyword
from typing import Any, get_args, get_origin

import msgspec
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BeforeValidator, ValidationError, WithJsonSchema
from pydantic.fields import FieldInfo

from schemas.adapters import AdapterError, payload_by
from schemas.extensions import Extension, ExtensionError
from schemas.fields import kind_of, metadata_of, msgspec_type, pattern_of
from schemas.json_schema import whole_event
from schemas.spec import Adapter, EventSpec, class_name
from schemas.times import parse_instant
from schemas.types import Envelope, Payload

_NAME = re.compile(r"(?=.{3,64}$)[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_DOMAIN = re.compile(r"[a-z0-9_]{1,64}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CLASS = r"\[(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_.:+/@ ])+-?\]"
_PLAIN_PATTERN = re.compile(
    rf"\^(?:(?:{_CLASS}|[A-Za-z0-9_:@/ -])(?:[*+?]|\{{\d{{1,3}}(?:,\d{{0,3}})?\}})?)+\$"
)
"""Characters and classes of them, each perhaps repeated: what Rust's and Python's expressions mean alike."""
_ENVELOPES = frozenset(Envelope.model_fields)
_LIMITS = (Ge, Gt, Le, Lt, MinLen, MaxLen, WithJsonSchema)


def check_extension(
    extension: Extension, events: Mapping[str, EventSpec], packages: Mapping[str, str]
) -> None:
    """Raises `ExtensionError` for the first event of an extension that cannot be used beside `events`.

    `packages`: event → who declared it.
    """
    known, whose = dict(events), dict(packages)
    for spec in extension.events:
        for problem in _found(spec, known, whose, extension.package):
            raise ExtensionError(f"{extension.package}: event {spec.name}: {problem}")
        known[spec.name], whose[spec.name] = spec, extension.package


def adapted_events(extension: Extension, events: Mapping[str, EventSpec]) -> dict[str, EventSpec]:
    """The events for which an extension has adapters, with these. Raises `ExtensionError`."""
    found: dict[str, EventSpec] = {}
    for name, adapters in extension.adapters.items():
        if name not in events:
            raise ExtensionError(
                f"{extension.package}: ADAPTERS: there is no event {name}: `sluice schemas list` shows all"
            )
        found[name] = replace(events[name], adapters=(*events[name].adapters, *adapters))
        for problem in problems_of_adapters(found[name]):
            raise ExtensionError(f"{extension.package}: ADAPTERS: event {name}: {problem}")
    return found


def _found(
    spec: EventSpec, events: Mapping[str, EventSpec], packages: Mapping[str, str], package: str
) -> list[str]:
    """Its problems; what is not even of the declared types is one."""
    try:
        return [*problems(spec), *_clashes(spec, events, packages, package)]
    except (TypeError, ValueError, AttributeError) as error:
        mend = "a tuple of a single element ends with a comma"
        return [f"it is not of the types that it is declared with ({error}): {mend}"]


def problems(spec: EventSpec) -> Iterator[str]:
    """What is wrong with a declaration by itself, and what to do, one line each."""
    if not _NAME.fullmatch(spec.name):
        yield "its name is not like `domain.name`, of a-z, 0-9 and _, up to 64: it is in paths and labels"
    if type(spec.version) is not int or not 1 <= spec.version < 2**31:
        yield f"version is {spec.version!r}: it must be a whole number from 1 on"
    payload: Any = spec.payload
    if not (isinstance(payload, type) and issubclass(payload, Payload)):
        yield "its payload is no subclass of schemas.types.Payload: derive it from that"
        return
    found = [*_of_payload(spec.payload), *_of_domain(spec.domain)]
    yield from found or [*_of_examples(spec), *problems_of_adapters(spec)]


def _of_domain(domain: str) -> Iterator[str]:
    if not _DOMAIN.fullmatch(domain):
        yield (
            f"its payload is declared in a module named {domain}, which is its domain: name the module in"
            " a-z, 0-9 and _"
        )


def _of_payload(payload: type[Payload]) -> Iterator[str]:
    name = payload.__name__
    if not (payload.__doc__ or "").strip():
        yield f"{name} has no docstring: say there, in a sentence, what happened"
    if payload.model_config != Payload.model_config:
        yield f"{name} has a model_config of its own: leave it to Payload's, by which all are read"
    checks = payload.__pydantic_decorators__
    if checks.field_validators or checks.model_validators or checks.validators or checks.root_validators:
        yield f"{name} has validators of its own, which the fast decoder does not run: take limits of fields"
    if payload.model_post_init is not Payload.model_post_init or payload.__init__ is not Payload.__init__:
        yield f"{name} has code that runs when it is made, which the fast decoder does not run: take it out"
    for field_name, field in payload.model_fields.items():
        yield from (f"field {field_name}: {problem}" for problem in _of_field(field_name, field))


def _of_field(name: str, field: FieldInfo) -> Iterator[str]:
    if name in _ENVELOPES or not _FIELD.fullmatch(name) or iskeyword(name):
        yield "its name is the envelope's, or not of a-z, 0-9 and _: rename it"
    if field.alias is not None or field.validation_alias is not None:
        yield "it has an alias: it is written as it is named"
    if field.default_factory is not None:
        yield "it has a default_factory: give it a plain default"
    try:
        kind = kind_of(field)
        msgspec.json.Decoder(msgspec_type(field))
    except (TypeError, ValueError) as error:
        yield str(error)
    except IndexError:
        yield "it can be null alone: use the types of schemas.types"
    else:
        yield from _of_type(kind, field)


def _of_type(kind: Any, field: FieldInfo) -> Iterator[str]:
    if get_origin(kind) and not all(type(choice) is str and choice for choice in get_args(kind)):
        yield "its choices are not all text: write them as text"
    metadata, pattern = metadata_of(field), pattern_of(field)
    if kind is datetime and not any(map(_is_instant, metadata)):
        yield "a time has to be a schemas.types.Instant"
    if pattern is not None and (kind is not str or not _PLAIN_PATTERN.fullmatch(pattern)):
        yield (
            f"its pattern {pattern} is not plain: between ^ and $ take characters and classes such as [a-z],"
            " each perhaps repeated"
        )
    for item in metadata:
        is_time = kind is datetime and _is_instant(item)
        if not (isinstance(item, _LIMITS) or is_time or _is_pattern(item)):
            yield f"{type(item).__name__} is not supported: take limits, choices or a pattern"


def _is_instant(item: Any) -> bool:
    return isinstance(item, BeforeValidator) and item.func is parse_instant


def _is_pattern(item: Any) -> bool:
    given = {name for name, value in getattr(item, "__dict__", {}).items() if value is not None}
    return given == {"pattern"}


def _of_examples(spec: EventSpec) -> Iterator[str]:
    if not spec.examples:
        yield "it has no examples: give at least one payload that is accepted"
        return
    for number, example in enumerate(spec.examples, start=1):
        wrong = _wrong_field(spec, dict(example))
        if wrong is not None:
            yield f"its example {number} is refused for {wrong}: correct one of the two"
    for patch, field in spec.counter_examples:
        wrong = _wrong_field(spec, spec.patched(patch))
        if wrong != field:
            verdict = f"refused for {wrong}" if wrong else "accepted"
            yield f"its counter-example for {field} is {verdict}: correct one of the two"


def problems_of_adapters(spec: EventSpec) -> Iterator[str]:
    """What is wrong with an event's adapters, and what to do, one line each."""
    for version, count in Counter(adapter.of for adapter in spec.adapters).items():
        if count > 1:
            yield f"it has {count} adapters of version {version}: leave one, as only one can be taken"
            return
    for adapter in spec.adapters:
        name = f"its adapter of version {adapter.of}"
        if adapter.of == spec.version:
            yield f"{name} adapts the declared version: take it out, or declare a new version"
        elif not spec.chain(adapter.of):
            yield f"{name} leads to version {adapter.to}, from where none leads to {spec.version}: add one"
        elif not adapter.examples:
            yield f"{name} has no examples: give at least one pair of payloads, before and after"
        else:
            yield from (f"{name}: {problem}" for problem in _of_adapter_examples(spec, adapter))


def _of_adapter_examples(spec: EventSpec, adapter: Adapter) -> Iterator[str]:
    for number, (before, after) in enumerate(adapter.examples, start=1):
        try:
            made = json.loads(payload_by((adapter,), _event(spec, adapter.of, before)))
            whole = json.loads(payload_by(spec.chain(adapter.of), _event(spec, adapter.of, before)))
        except AdapterError as error:
            yield f"example {number}: {error}"
            continue
        if made != json.loads(json.dumps(after)):
            names = [name for name in {**made, **after} if made.get(name) != after.get(name)]
            yield f"example {number} becomes another payload than it says, in {', '.join(names)}"
        wrong = _wrong_field(spec, whole)
        if wrong is not None:
            yield f"example {number} becomes a payload that is refused for {wrong}: correct one of the two"


def _event(spec: EventSpec, version: int, payload: Mapping[str, Any]) -> dict[str, Any]:
    """An event around a payload, as it comes from JSON."""
    event: dict[str, Any] = json.loads(
        json.dumps({**whole_event(spec, 0), "version": version, "payload": dict(payload)})
    )
    return event


def _wrong_field(spec: EventSpec, payload: dict[str, Any]) -> str | None:
    """The first wrong field of a payload as it comes from JSON; None if it is accepted."""
    try:
        spec.payload.model_validate(json.loads(json.dumps(payload)))
    except ValidationError as error:
        return ".".join(map(str, error.errors(include_url=False, include_context=False)[0]["loc"]))
    except (TypeError, ValueError):
        return "what JSON has no word for"
    return None


def _clashes(
    spec: EventSpec, events: Mapping[str, EventSpec], packages: Mapping[str, str], package: str
) -> Iterator[str]:
    """What of a declaration is another's already. A domain belongs to one package."""
    for name, other in events.items():
        whose = packages[name]
        if name == spec.name:
            yield f"{whose} declares an event of that name: rename yours"
        elif class_name(name) == class_name(spec.name):
            yield f"in Avro it would be called like {name} of {whose}: rename yours"
        if other.domain == spec.domain and whose != package:
            yield (
                f"its domain is {spec.domain}, after the module of its payload, and {whose} has one of that"
                " name: rename the module"
            )
        for field_name, field in spec.payload.model_fields.items():
            there = other.payload.model_fields.get(field_name)
            if there is not None and pattern_of(there) != pattern_of(field):
                yield (
                    f"field {field_name} has another pattern in {name} of {whose}, {pattern_of(there)}: a"
                    " name has one in all payloads; give it that type, or rename it"
                )
