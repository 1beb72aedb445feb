"""How a setting is declared."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from streams.setting_groups.rules import Rule


class SettingError(ValueError):
    """A setting's value is not allowed. `str(error)` names the variable, the value and what is allowed."""

    def __init__(self, variable: str, value: str, allowed: str) -> None:
        super().__init__(f"{variable}={value!r} is not allowed: it must be {allowed}")
        self.variable = variable


def setting(default: str, rule: Rule[Any], doc: str) -> Any:
    """A setting: what it is where the environment says nothing, what is allowed, and what it is, in words."""
    return field(metadata={"default": default, "parse": rule[0], "allowed": rule[1], "doc": doc})
