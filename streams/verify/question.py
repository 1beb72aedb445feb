"""What a process that explains an answer is asked, and replies: JSON on its standard input and output."""

from __future__ import annotations

from typing import Any

import msgspec

MODULE = "streams.verify.child"
"""Its program."""


class Question(msgspec.Struct):
    """`said`: the api's answer; `filters`: what was asked for; `cities`: what may be seen, None: all.
    `sums_others`: the view sums some of its groups as `_other`, which `said` may not show."""

    view: str
    said: dict[str, Any]
    filters: dict[str, list[str | None]]
    cities: list[str] | None
    sums_others: bool = False


class Reply(msgspec.Struct):
    """What the answer rests on, or why that cannot be said."""

    explained: dict[str, Any] | None = None
    error: str | None = None
