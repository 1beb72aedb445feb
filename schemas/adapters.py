"""Running adapters between versions of an event (`schemas.spec.Adapter`), and what is wrong with them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from schemas.json_schema import whole_event
from schemas.spec import Adapter, EventSpec

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class AdapterError(Exception):
    """What an adapter made is no payload. `str()` says why; no value of the event is in it."""


def payload_by(steps: Iterable[Adapter], event: dict[str, Any]) -> bytes:
    """The payload, as JSON, that adapters make of an event, one after the other, in which they may change it.

    Raises `AdapterError`.
    """
    made = b""
    for step in steps:
        if made:
            event |= {"version": step.of, "payload": json.loads(made)}
        made = _made_by(step, event)
    return made


def _made_by(step: Adapter, event: dict[str, Any]) -> bytes:
    name = f"the adapter from version {step.of} to {step.to}"
    try:
        payload = step.adapt(event)
        if isinstance(payload, Mapping):
            return _encode(dict(payload)).encode()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever its code does
        raise AdapterError(f"{name} failed: {type(error).__name__}") from None
    raise AdapterError(f"{name} returned a {type(payload).__name__}, which is no payload")


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
            yield from (f"{name}: {problem}" for problem in _of_examples(spec, adapter))


def _of_examples(spec: EventSpec, adapter: Adapter) -> Iterator[str]:
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
        try:
            spec.payload.model_validate(whole)
        except ValidationError as error:
            field = ".".join(map(str, error.errors(include_url=False, include_context=False)[0]["loc"]))
            yield f"example {number} becomes a payload that is refused for {field}: correct one of the two"


def _event(spec: EventSpec, version: int, payload: Mapping[str, Any]) -> dict[str, Any]:
    """An event around a payload, as it comes from JSON."""
    event: dict[str, Any] = json.loads(
        json.dumps({**whole_event(spec, 0), "version": version, "payload": dict(payload)})
    )
    return event
