"""Running adapters between versions of an event (`schemas.spec.Adapter`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from schemas.spec import Adapter

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
