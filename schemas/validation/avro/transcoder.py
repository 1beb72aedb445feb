"""From Avro's binary form to JSON text, compiled for one schema.

fastavro takes twice as long for an event as all of its validation, as it builds every value that the JSON is
then written from. This copies texts from the one form to the other. It is compiled for schemas of records,
primitives, enums and unions; of these it leaves what needs care (`CareError`) to fastavro, too.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

Transcoder = Callable[[bytes], bytes]
"""The record after the wire format's header of 5 bytes, as JSON. Raises `CareError` and `MisfitError`, and
`IndexError` or `struct.error` where the bytes end too early."""

HEADER_BYTES = 5
MOST_FIELDS = 500
DEEPEST = 16
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = bytes(code for code in range(0x20, 0x100) if code != ord("\\"))
_INDENT = "    "
_LONGEST_VARINT_BITS = 64


class CareError(Exception):
    """The record may be right, but needs more than copying: a text to be escaped, a number JSON lacks."""


class MisfitError(Exception):
    """The bytes do not fit the schema."""


class _UnsupportedError(Exception):
    """A schema is not compiled."""


def compiled(schema: Any, named: Mapping[str, Any]) -> Transcoder | None:
    """The transcoder of a schema as fastavro has parsed it, that does not refer to itself; `named`: the types
    that it names. None: it is not compiled."""
    try:
        source = _Source(named)
        text = source.value(schema, depth=0)
        if not text.startswith("{"):
            return None
    except _UnsupportedError:
        return None
    names: dict[str, Any] = dict(source.constants)
    names |= {"Care": CareError, "Misfit": MisfitError, "varint": _varint, "number": _number}
    names |= {"float32": _FLOAT.unpack_from, "float64": _DOUBLE.unpack_from, "boolean": (b"false", b"true")}
    names |= {"form": text.encode(), "plain": _PLAIN}
    lines = [
        "def transcode(b):",
        f"    p = {HEADER_BYTES}",
        f"    quotes = {text.count(chr(34))}",
        *source.lines,
        "    if p != len(b): raise Misfit",
        f"    made = form % ({''.join(f'{one}, ' for one in source.arguments)})",
        # A text with more quotes, or with what is not plain, has to be escaped.
        "    if made.count(b'\"') != quotes or made.translate(None, plain): raise Care",
        "    return made",
    ]
    exec("\n".join(lines), names)  # noqa: S102 - of names that have been checked, and numbers
    transcoder: Transcoder = names["transcode"]
    return transcoder


class _Source:
    """The function's lines. `arguments`: the names of what is put into the JSON's form, in their order."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self.lines: list[str] = []
        self.arguments: list[str] = []
        self.constants: dict[str, Any] = {}
        self._named = named
        self._indent = 1
        self._count = 0
        self._fields = 0

    def value(self, schema: Any, depth: int) -> str:
        """Read a value of this schema; returns its place in the JSON's form."""
        if isinstance(schema, str):
            schema = self._named.get(schema, schema)
        kind = schema
        if isinstance(schema, dict):
            kind = schema.get("type")
            if "logicalType" in schema:
                raise _UnsupportedError
        if depth > DEEPEST:
            raise _UnsupportedError
        if isinstance(kind, list):
            return self._union(kind, depth)
        read = _KINDS.get(kind) if isinstance(kind, str) else None
        if read is None:
            raise _UnsupportedError
        return read(self, schema, depth)

    def _record(self, schema: Mapping[str, Any], depth: int) -> str:
        names = [field["name"] for field in schema["fields"]]
        self._fields += len(names)
        if (
            self._fields > MOST_FIELDS
            or len(set(names)) != len(names)
            or not all(map(_NAME.fullmatch, names))
        ):
            raise _UnsupportedError
        parts = [f'"{field["name"]}":{self.value(field["type"], depth + 1)}' for field in schema["fields"]]
        return "{" + ",".join(parts) + "}"

    def _null(self, *_: Any) -> str:
        return "null"

    def _string(self, *_: Any) -> str:
        # A length is written doubled; odd ones are negative.
        name = self._argument()
        self._add("n = b[p]; p += 1")
        self._add("if n > 127: n, p = varint(b, n, p)")
        self._add("if n & 1: raise Misfit")
        self._add(f"q = p + (n >> 1); {name} = b[p:q]; p = q")
        return '"%b"'

    def _long(self, *_: Any) -> str:
        name = self._argument()
        self._add("n = b[p]; p += 1")
        self._add("if n > 127: n, p = varint(b, n, p)")
        self._add(f"{name} = (n >> 1) ^ -(n & 1)")
        return "%d"

    def _boolean(self, *_: Any) -> str:
        name = self._argument()
        self._add("n = b[p]; p += 1")
        self._add("if n > 1: raise Misfit")
        self._add(f"{name} = boolean[n]")
        return "%b"

    def _float(self, schema: Any, _: int) -> str:
        name = self._argument()
        kind = schema["type"] if isinstance(schema, dict) else schema
        bits = 32 if kind == "float" else 64
        self._add(f"{name} = number(float{bits}(b, p)[0]); p += {bits // 8}")
        return "%b"

    def _enum(self, schema: Mapping[str, Any], _: int) -> str:
        symbols = schema["symbols"]
        if not all(map(_NAME.fullmatch, symbols)):
            raise _UnsupportedError
        name = self._argument()
        self.constants[f"symbols_{name}"] = [symbol.encode() for symbol in symbols]
        self._add("n = b[p]; p += 1")
        self._add("if n > 127: n, p = varint(b, n, p)")
        self._add(f"if n & 1 or n >> 1 >= {len(symbols)}: raise Misfit")
        self._add(f"{name} = symbols_{name}[n >> 1]")
        return '"%b"'

    def _union(self, branches: list[Any], depth: int) -> str:
        name = self._argument()
        self._add("n = b[p]; p += 1")
        arguments = self.arguments
        for index, branch in enumerate(branches):
            self._add(f"{'elif' if index else 'if'} n == {2 * index}:")
            self._indent += 1
            self.arguments = []
            form = self.value(branch, depth + 1)
            if not self.arguments:
                self._add(f"{name} = {form.encode()!r}")
            elif form == "%b":
                self._add(f"{name} = {self.arguments[0]}")
            else:
                self._add(f"{name} = {form.encode()!r} % ({''.join(f'{one}, ' for one in self.arguments)})")
            if '"' in form:
                self._add(f"quotes += {form.count(chr(34))}")
            self._indent -= 1
        self._add("else: raise Misfit")
        self.arguments = arguments
        return "%b"

    def _argument(self) -> str:
        self._count += 1
        name = f"a{self._count}"
        self.arguments.append(name)
        return name

    def _add(self, line: str) -> None:
        self.lines.append(_INDENT * self._indent + line)


_KINDS: Mapping[str, Callable[[_Source, Any, int], str]] = {
    "record": _Source._record,
    "null": _Source._null,
    "string": _Source._string,
    "int": _Source._long,
    "long": _Source._long,
    "boolean": _Source._boolean,
    "float": _Source._float,
    "double": _Source._float,
    "enum": _Source._enum,
}
_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")


def _varint(b: bytes, n: int, p: int) -> tuple[int, int]:
    """A number of several bytes, of which `n` is the first and `p` the place of the second; and the place
    after it."""
    n &= 127
    shift = 7
    while True:
        byte = b[p]
        p += 1
        n |= (byte & 127) << shift
        if byte < 128:
            if n >> _LONGEST_VARINT_BITS:
                raise MisfitError
            return n, p
        shift += 7
        if shift >= _LONGEST_VARINT_BITS + 6:
            raise MisfitError


def _number(value: float) -> bytes:
    if not math.isfinite(value):
        raise CareError
    return json.dumps(value).encode()
