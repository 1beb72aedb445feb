"""JSON Schema as its specification means it, by `jsonschema`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    """Patterns are ECMA-262's: there `$` is the end alone, in Python a line feed may follow."""
    if isinstance(instance, str) and not re.search(pattern.replace("$", r"\Z"), instance):
        yield ValidationError("does not match its pattern")


assert "date-time" in FormatChecker.checkers, "jsonschema asserts times with rfc3339-validator alone"
_Validator = extend(Draft202012Validator, {"pattern": _pattern})


def schema_judge(schema: dict[str, Any]) -> Callable[[Any], bool]:
    """Whether a document fits, formats asserted."""
    is_valid: Callable[[Any], bool] = _Validator(schema, format_checker=FormatChecker(["date-time"])).is_valid
    return is_valid
