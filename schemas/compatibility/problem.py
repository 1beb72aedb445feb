"""What makes a change of a schema one that is not backward compatible."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Rule(StrEnum):
    """The rules that a change may break: a new consumer must read all that was good before."""

    REMOVED_EVENT = "removed_event"
    REMOVED_REQUIRED_FIELD = "removed_required_field"
    NEW_REQUIRED_FIELD = "new_required_field"
    NARROWED_TYPE = "narrowed_type"
    REMOVED_SYMBOL = "removed_symbol"
    TIGHTENED_LIMIT = "tightened_limit"
    TIGHTENED_PATTERN = "tightened_pattern"
    CHANGED_DEFAULT = "changed_default"
    RENAMED = "renamed"
    VERSION_WITHOUT_ADAPTER = "version_without_adapter"
    UNREADABLE_SCHEMA = "unreadable_schema"


class Problem(NamedTuple):
    """One broken rule: at which field (`payload.amount_minor`; empty: the whole event), and what of it."""

    field: str
    rule: Rule
    detail: str


def below(field: str, name: str) -> str:
    """The path of a member of what lies at `field`."""
    return f"{field}.{name}" if field else name
