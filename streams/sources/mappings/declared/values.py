"""What stands for one member of an event in a mapping file: an expression, a constant, a template, a hash or
money, and what is done with it then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from streams.sources.mappings.currencies import is_currency, to_minor
from streams.sources.mappings.declared.expressions import Expression
from streams.sources.mappings.moments import from_unix
from streams.sources.slugs import slug

UNIX = {"unix": 1, "unix_ms": 1000, "unix_us": 10**6, "unix_ns": 10**9}
"""Name of a form of time → how many of it are a second."""
_AMOUNT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")
_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode

Reader = Callable[[Any], Any]
"""From a foreign object to what is read of it. Raises `UnfitError`, `FailedError`."""


class UnfitError(Exception):
    """What was read is not as it has to be: `str()` says how it must be, and shows no value."""


class Form(NamedTuple):
    """A form of times: `unix` and the like, or a pattern of strptime, with the zone of texts without one."""

    pattern: str
    zone: ZoneInfo | None


@dataclass(frozen=True)
class Lookup:
    """A table from texts to values. What is not in it is `default`, or is refused where there is none."""

    table: Mapping[str, Any]
    default: Any
    has_default: bool

    def __call__(self, value: Any) -> Any:
        """The value for a text, a whole number, true, false or null."""
        name = _word(value)
        if name in self.table:
            return self.table[name]
        if self.has_default:
            return self.default
        raise UnfitError("is not in its lookup, which has no default")


def _word(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) if isinstance(value, str | int | Decimal) else ""


def constant(value: Any) -> Reader:
    """Always the same."""
    return lambda _: value


def template(parts: Sequence[str | Expression]) -> Reader:
    """A text with what expressions find in it. Each has to find text or a number."""

    def read(value: Any) -> str:
        return "".join(part if isinstance(part, str) else _written(part.of(value)) for part in parts)

    return read


def _written(found: Any) -> str:
    if isinstance(found, bool) or not isinstance(found, str | int | Decimal) or found == "":
        raise UnfitError("needs text or a number for each part of its template")
    return str(found)


def hashed(name: str, event: str, expressions: Sequence[Expression]) -> Reader:
    """An id made of what expressions find, of the mapping and of the event: the same for the same."""

    def read(value: Any) -> str:
        found = [expression.of(value) for expression in expressions]
        if all(one is None for one in found):
            raise UnfitError("is a hash of nothing: all its expressions find null")
        try:
            return f"map:{sha256(_encode([name, event, found])).hexdigest()[:40]}"
        except (TypeError, ValueError, msgspec.MsgspecError):
            raise UnfitError("is a hash of what is no JSON") from None

    return read


def money(amount: Reader, currency: Reader) -> Reader:
    """A decimal amount in the minor unit of its currency, exactly."""

    def read(value: Any) -> int:
        of, found = currency(value), amount(value)
        code = of.upper() if isinstance(of, str) else of
        if not is_currency(code):
            raise UnfitError("needs a currency of three letters")
        if isinstance(found, str) and _AMOUNT.fullmatch(found.strip()):
            found = Decimal(found.strip())
        if isinstance(found, bool) or not isinstance(found, int | Decimal):
            raise UnfitError("must be a decimal number such as 12.50, as a number or as text")
        try:
            return to_minor(Decimal(found), code)
        except (ValueError, ArithmeticError) as error:
            raise UnfitError(str(error) or "must be an amount of money") from None

    return read


def timed(read: Reader, form: Form) -> Reader:
    """A time in another form as RFC 3339; null stays null."""

    def convert(value: Any) -> Any:
        found = read(value)
        return None if found is None else _time(found, form)

    return convert


def _time(found: Any, form: Form) -> str:
    per_second = UNIX.get(form.pattern)
    try:
        if per_second is not None:
            return from_unix(_number(found), per_second)
        at = datetime.strptime(str(found).strip(), form.pattern)  # noqa: DTZ007 - it gets its zone below
        if at.tzinfo is None:
            at = at.replace(tzinfo=form.zone)
        return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        raise UnfitError("must be a time in the years 0001 to 9999") from None
    except ValueError as error:
        told = str(error) if per_second is not None else f"must be a time like {form.pattern}"
        raise UnfitError(told) from None


def looked_up(read: Reader, lookup: Lookup) -> Reader:
    """What a table has for it."""
    return lambda value: lookup(read(value))


def slugged(read: Reader) -> Reader:
    """A name as a slug; what is no text stays."""

    def convert(value: Any) -> Any:
        found = read(value)
        return slug(found) if isinstance(found, str) else found

    return convert


def upper(read: Reader) -> Reader:
    """Text in capitals; what is no text stays."""

    def convert(value: Any) -> Any:
        found = read(value)
        return found.upper() if isinstance(found, str) else found

    return convert


def as_kind(read: Reader, kind: Any, *, nullable: bool) -> Reader:
    """What was read as a field of this type has it, where that is beyond doubt: a whole number as an id's
    text, digits as a number, `true` as a boolean; an empty text as null where a field may be null. All else
    stays, for the catalogue to judge."""

    def convert(value: Any) -> Any:
        found = read(value)
        if found == "" and nullable:
            return None
        if kind in (int, float):
            return _as_number(found, whole=kind is int)
        if kind is bool and isinstance(found, str):
            return {"true": True, "false": False}.get(found.lower(), found)
        if kind is str and type(found) is int:
            return str(found)
        return found

    return convert


def _number(found: Any) -> Any:
    return Decimal(found) if isinstance(found, str) and _NUMBER.fullmatch(found) else found


def _as_number(found: Any, *, whole: bool) -> Any:
    number = _number(found)
    if isinstance(number, Decimal) and abs(number.adjusted()) <= 30 and number == number.to_integral_value():
        return int(number)
    return found if isinstance(number, Decimal) and whole else number
