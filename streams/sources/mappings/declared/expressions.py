"""JMESPath over JSON whose fractions are `Decimal`: parsed and checked once, and never raising on a value.

Text and whole numbers of an expression stay exact; a fraction that stands in it as a literal is a float, and
money is not made of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import jmespath
from jmespath import exceptions, functions
from jmespath.parser import ParsedResult

from streams.sources.mappings.declared.nodes import hint


class ExpressionError(ValueError):
    """An expression cannot be parsed: `str()` says why, `offset` how far into it."""

    def __init__(self, problem: str, offset: int = 0) -> None:
        super().__init__(problem)
        self.offset = offset


class FailedError(Exception):
    """An expression cannot be evaluated on a value."""


class _Functions(functions.Functions):  # type: ignore[misc]
    """JMESPath's functions, for `Decimal` as for any number."""

    def _get_allowed_pytypes(self, types: Any) -> Any:
        allowed, inner = super()._get_allowed_pytypes(types)
        return [*allowed, *(["Decimal"] if "float" in allowed else [])], [
            (*each, "Decimal") if "float" in each else each for each in inner
        ]

    @functions.signature({"types": ["array-number"]})  # type: ignore[untyped-decorator]
    def _func_avg(self, numbers: list[Any]) -> Any:
        return sum(map(_exact, numbers)) / Decimal(len(numbers)) if numbers else None

    @functions.signature({"types": []})  # type: ignore[untyped-decorator]
    def _func_to_number(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            return None
        if not isinstance(value, str):
            return value
        try:
            number = Decimal(value)
        except ArithmeticError:
            return None
        return number if number.is_finite() else None


_OPTIONS = jmespath.Options(custom_functions=_Functions())


def _exact(number: Any) -> Any:
    return Decimal(str(number)) if isinstance(number, float) else number


class Expression:
    """One expression. Raises `ExpressionError` for what cannot be parsed, or calls what is not there."""

    def __init__(self, text: str) -> None:
        self._parsed: ParsedResult = _compiled(text)
        for name, arguments in _calls(self._parsed.parsed):
            _check_call(name, arguments, text)

    def of(self, value: Any) -> Any:
        """What it finds; None where there is nothing. Raises `FailedError`, which shows no value."""
        try:
            return self._parsed.search(value, options=_OPTIONS)
        except RecursionError:
            raise FailedError("is nested too deep for this value") from None
        except Exception:  # noqa: BLE001 - whatever a value makes of it; its text would show the value
            raise FailedError("fails on this value: is it of the type that the expression expects?") from None


def _compiled(text: str) -> ParsedResult:
    try:
        return jmespath.compile(text)
    except exceptions.IncompleteExpressionError:
        raise ExpressionError("the expression is not complete", len(text)) from None
    except exceptions.LexerError as error:
        raise ExpressionError(
            f"the expression has a wrong character ({error.message})", error.lex_position
        ) from None
    except exceptions.ParseError as error:
        said = f"the expression cannot be parsed at {error.token_value!r}"
        raise ExpressionError(said, error.lex_position) from None
    except (exceptions.JMESPathError, RecursionError, ValueError) as error:
        raise ExpressionError(f"the expression cannot be parsed ({' '.join(str(error).split())})") from None


def _calls(node: Any) -> Iterator[tuple[str, int]]:
    """The functions that an expression calls, with how many arguments."""
    if isinstance(node, dict):
        if node.get("type") == "function_expression":
            yield node["value"], len(node["children"])
        for child in node.get("children", ()):
            yield from _calls(child)


def _check_call(name: str, arguments: int, text: str) -> None:
    known = _Functions.FUNCTION_TABLE.get(name)
    if known is None:
        raise ExpressionError(
            f"there is no function {name}{hint(name, _Functions.FUNCTION_TABLE)}",
            max(0, text.find(f"{name}(")),
        )
    signature = known["signature"]
    is_variadic = bool(signature) and signature[-1].get("variadic")
    if arguments < len(signature) or (arguments > len(signature) and not is_variadic):
        raise ExpressionError(
            f"the function {name} takes {len(signature)} arguments, not {arguments}",
            max(0, text.find(f"{name}(")),
        )
