"""The producer's own headers in a quarantine record (docs/contract.md §1), and back again.

A header's name is bytes on the wire. Records carry names that are not UTF-8 as Python's surrogate escapes;
readers of the quarantine get text that every client decodes: such a byte is written `\\xe9`, and a backslash
`\\x5c`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

Header = tuple[str, bytes | None]

PREFIX = "src."
TRUNCATED = "src_truncated"
"""The header that says how many of the producer's headers were left out."""
LARGEST_BYTES = 8192
"""What the producer's headers may take in all, names with prefix and values."""
_TRACE = frozenset({"traceparent", "tracestate"})
"""W3C Trace Context: of too many headers these are kept before others."""
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


def carried(headers: Sequence[Header]) -> list[Header]:
    """The headers under `src.`, in their order, doubled names and null values too.

    Of more than `LARGEST_BYTES`, those of a trace and then each one, from the first, that still fits; the
    last header is then `TRUNCATED`.
    """
    if not headers:
        return []
    made = [(PREFIX + _escaped(name), value) for name, value in headers]
    sizes = [len(name.encode()) + len(value or b"") for name, value in made]
    if sum(sizes) <= LARGEST_BYTES:
        return made
    left, kept = LARGEST_BYTES, set()
    for place in sorted(range(len(made)), key=lambda place: headers[place][0] not in _TRACE):
        if sizes[place] <= left:
            kept.add(place)
            left -= sizes[place]
    cut: list[Header] = [(TRUNCATED, str(len(made) - len(kept)).encode())]
    return [header for place, header in enumerate(made) if place in kept] + cut


def original(headers: Iterable[Header]) -> list[tuple[bytes, bytes | None]]:
    """The producer's headers of a quarantine record, names as their bytes were."""
    return [
        (_ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), name[len(PREFIX) :].encode()), value)
        for name, value in headers
        if name.startswith(PREFIX)
    ]


def _escaped(name: str) -> str:
    raw = name.replace("\\", "\\x5c").encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "backslashreplace")
