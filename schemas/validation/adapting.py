"""Taking an event of another version as one of the declared version, by its adapters (`schemas.spec`)."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from schemas.adapters import AdapterError, payload_by
from schemas.catalogue import EVENTS
from schemas.validation.reader_agreement import RepeatedError, parse_once
from schemas.validation.reasons import Quarantined, Reason, quarantined


class Adapted(NamedTuple):
    """An event as its adapters make it. `version`: the one that it was sent in; `payload`: the one that it
    was sent with, as JSON; `text`: the whole event in the declared version."""

    event: str
    version: int
    payload: bytes
    text: bytes


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def adapted(verdict: Quarantined, text: bytes | None) -> Adapted | Quarantined:
    """The event that adapters make of one with this verdict, or why it is quarantined.

    `text`: the record as JSON. The verdict stays if there are no adapters for its version.
    """
    spec = EVENTS.get(verdict.event)
    if verdict.reason != Reason.UNKNOWN_VERSION or spec is None or not spec.adapters or text is None:
        return verdict
    members = _members(text)
    version = msgspec.json.decode(members["version"], type=int)
    steps = spec.chain(version)
    if not steps:
        return verdict
    try:
        payload = payload_by(steps, parse_once(text))
    except RepeatedError:
        return _with_detail(verdict, f"{verdict.detail}, and a member is there twice: no adapter is asked")
    except AdapterError as error:
        return _with_detail(verdict, f"{verdict.detail}, and {error}")
    made = {**members, "version": msgspec.Raw(b"%d" % spec.version), "payload": msgspec.Raw(payload)}
    return Adapted(spec.name, version, bytes(members["payload"]), _encode(made))


def readapted(verdict: Quarantined, of: Adapted) -> Quarantined:
    """The verdict on what adapters made, as the verdict on the event that was sent."""
    return _with_detail(verdict, f"as adapted from version {of.version}: {verdict.detail}")


def _with_detail(verdict: Quarantined, detail: str) -> Quarantined:
    return verdict._replace(detail=quarantined(verdict.reason, detail).detail)
