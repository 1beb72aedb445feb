"""Times, periods and lists on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from streams.cli.common import say
from tables.query.values import EmptyElementError, moment_warning, parse_moment, split_list


class Time(click.ParamType):
    """A date (its first moment), an RFC 3339 time, or milliseconds since 1970; without an offset in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, in UTC."""
        text = str(value)
        if re.fullmatch(r"-?[0-9]+", text):
            return self._by_number(text, param, ctx)
        try:
            at = datetime.fromisoformat(text if text.isascii() else "")  # other scripts have digits too
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            allowed = "2026-03-01, 2026-03-01T12:00:00Z or milliseconds since 1970"
            self.fail(f"{value!r} is no time: {allowed}", param, ctx)

    def _by_number(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            at = parse_moment(text)
        except ValueError as error:
            self.fail(f"{text[:40]}: {error}", param, ctx)
        warning = moment_warning(param.opts[0] if param else "time", text)
        if warning is not None:
            say(f"sluice: {warning}", err=True)
        return at


def period_options(happened: str) -> Callable[[Any], Any]:
    """`--from` and `--to`, the limits of `is_within`."""

    def add(command: Any) -> Any:
        before, since = (
            f"Only what {happened} before this time.",
            f"Only what {happened} at or after this time.",
        )
        command = click.option("--to", type=Time(), help=before)(command)
        return click.option("--from", "since", type=Time(), help=since)(command)

    return add


def is_within(at: datetime, since: datetime | None, to: datetime | None) -> bool:
    """Whether a time is in [since, to)."""
    return (since is None or at >= since) and (to is None or at < to)


def names(text: str) -> list[str]:
    """The type of an option that takes names with commas."""
    try:
        return split_list(text)
    except EmptyElementError as error:
        raise click.BadParameter(str(error)) from None
