"""A record as a line of Bronze (docs/contract.md §5): its JSON as received, with `_kafka` added at the end.

A `_kafka` of its own is left out, so that no reader finds two.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np

from schemas.validation.adapting import Adapted
from schemas.validation.members import without_kafka
from schemas.validation.reasons import Quarantined

_CHUNK = 128
"""Values looked at together: enough to spread a call's cost, few enough to stay in the processor's cache."""
_CLOSING_BRACE = ord("}")
_LINE_END = b"}}\n"
_last_byte, _all_but_last = itemgetter(-1), itemgetter(slice(-1))


class LineWriter:
    """Makes the lines of one source partition."""

    def __init__(self, topic: str, partition: int) -> None:
        self._topic = topic
        self._partition = partition
        name = msgspec.json.encode(topic).decode()
        source = f',"_kafka":{{"topic":{name},"partition":{partition},"offset":'.encode()
        line = b"%b" + source.replace(b"%", b"%%") + b'%d,"timestamp_ms":%d}}\n'
        self._line_of: Callable[[tuple[bytes, int, int]], bytes] = line.__mod__

    def lines(self, values: list[bytes], offsets: list[int], timestamps_ms: list[int]) -> Iterator[bytes]:
        """The lines of JSON objects that have a member besides `_kafka`, as every event does; the lists are
        aligned."""
        without_brace = map(_all_but_last, one_lined(values))
        return map(self._line_of, zip(without_brace, offsets, timestamps_ms, strict=True))

    def mark_adapted(self, lines: list[bytes], adapted: Mapping[int, Adapted]) -> None:
        """Add to the lines of adapted events, by their indexes, `_kafka.adapted`: the version and, as a text
        of JSON, the payload that they were sent with."""
        for index, event in adapted.items():
            sent = {"version": event.version, "payload": event.payload.decode()}
            end = b',"adapted":' + msgspec.json.encode(sent) + _LINE_END
            lines[index] = lines[index].removesuffix(_LINE_END) + end

    def bad(self, value: bytes | None, offset: int, timestamp_ms: int, why: Quarantined) -> bytes:
        """The line of a bad record; a tombstone has `value_base64` null."""
        line: dict[str, Any] = {
            "code": why.code,
            "reason": why.reason,
            "field": why.field,
            "detail": why.detail,
            "value_base64": None if value is None else base64.b64encode(value).decode(),
            "_kafka": {
                "topic": self._topic,
                "partition": self._partition,
                "offset": offset,
                "timestamp_ms": timestamp_ms,
            },
        }
        return msgspec.json.encode(line) + b"\n"


def one_lined(values: list[bytes]) -> list[bytes]:
    """The same JSON objects, each on one line, without white space behind it and a `_kafka` of its own."""
    plain = values
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        if not _is_plain(chunk):
            if plain is values:
                plain = values.copy()
            plain[start : start + len(chunk)] = [_one_lined(value) for value in chunk]
    return plain


def _is_plain(values: list[bytes]) -> bool:
    if set(map(_last_byte, values)) != {_CLOSING_BRACE}:
        return False
    joined = b"".join(values)
    if b"\n" in joined or b"\r" in joined or b"\\" in joined:
        return False
    # `in` takes five times as long where nearly every byte is a letter of the name.
    codes = np.frombuffer(joined, np.uint8)
    begins = ((codes[:-1] == ord("_")) & (codes[1:] == ord("k"))).any()
    return not (begins and b"_kafka" in joined)


def _one_lined(value: bytes) -> bytes:
    # In JSON both bytes are white space wherever they occur: in a string they would have to be escaped.
    return without_kafka(value).translate(None, b"\n\r").rstrip(b" \t")
