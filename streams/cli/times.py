"""Times on the command line: a date, an RFC 3339 time, or milliseconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click

from streams.cli.common import say
from tables.query.values import moment_warning, parse_moment


class Time(click.ParamType):
    """A date is its first moment in UTC; a time without an offset is in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, in UTC."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        if re.fullmatch(r"-?[0-9]+", text):
            return self._by_number(text, param, ctx)
        try:
            at = datetime.fromisoformat(text if text.isascii() else "")  # other scripts have digits too
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time: 2026-03-01, 2026-03-01T12:00:00Z or milliseconds since 1970",
                param,
                ctx,
            )

    def _by_number(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            at = parse_moment(text)
        except ValueError as error:
            self.fail(f"{text[:40]}: {error}", param, ctx)
        warning = moment_warning(param.opts[0] if param else "time", text)
        if warning is not None:
            say(f"sluice: {warning}", err=True)
        return at
