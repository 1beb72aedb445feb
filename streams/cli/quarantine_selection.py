"""What the commands of `sluice quarantine` share: ids, filters, and asking Kafka."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

import click

from agents.quarantine.record import Position, QuarantineRecord
from schemas.times import parse_instant
from schemas.validation.reasons import Code, Reason
from streams.cli.common import Failure, ask_kafka
from streams.cli.times import Time
from streams.kafka.producer import RefusedError
from streams.settings import Settings
from tables.query.values import EmptyElementError, did_you_mean, no_such, split_list

T = TypeVar("T")
MOST_SEEN = 1000
"""Fields and topics that are remembered: names come from records, and a flood of them stays bounded."""


class Id(click.ParamType):
    """`partition:offset` of a bad record."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Position:
        """Its place in the quarantine."""
        if not re.fullmatch(r"\d{1,9}:\d{1,18}", str(value)):
            self.fail(f"{value!r} is not partition:offset, as `sluice quarantine list` shows it", param, ctx)
        partition, offset = str(value).split(":")
        return Position(int(partition), int(offset))


class Chosen:
    """The filters of `list` and `replay`: a record passes if it passes every one that is given.

    Codes and reasons are those of the catalogue, others are wrong usage; a field or a topic that no record
    has is told.
    """

    def __init__(self, *, since: datetime | None, to: datetime | None, **given: str | None) -> None:
        self.wanted = {name: _values(name, text) for name, text in given.items() if text is not None}
        for name, known in (("code", Code), ("reason", Reason)):
            for value in self.wanted.get(name, ()):
                if value not in list(known):
                    hint = did_you_mean(value, known)
                    raise _wrong(name, f"there is no {value!r}: it is one of {', '.join(known)}{hint}")
        self._since, self._to = since, to
        self._seen: dict[str, set[str]] = {"field": set(), "topic": set()}

    @property
    def given(self) -> bool:
        """Whether there is any filter."""
        return bool(self.wanted) or self._since is not None or self._to is not None

    def __call__(self, record: QuarantineRecord) -> bool:
        """Whether a record is chosen."""
        for name, seen in self._seen.items():
            if len(seen) < MOST_SEEN:
                seen.add(getattr(record, name))
        if not all(getattr(record, name) in values for name, values in self.wanted.items()):
            return False
        return (self._since is None and self._to is None) or self._is_in_time(record.quarantined_at)

    def _is_in_time(self, text: str) -> bool:
        try:
            at = parse_instant(text)
        except ValueError:
            return False  # of no time that can be read
        return (self._since is None or at >= self._since) and (self._to is None or at < self._to)

    def warnings(self) -> list[str]:
        """What none of the records that were read has, though it was asked for."""
        return [
            no_such(name, value, seen - {""})
            for name, seen in self._seen.items()
            for value in self.wanted.get(name, ())
            if value not in seen and len(seen) < MOST_SEEN
        ]


def _values(name: str, text: str) -> list[str]:
    try:
        return split_list(text)
    except EmptyElementError as error:
        raise _wrong(name, str(error)) from None


def _wrong(name: str, problem: str) -> click.BadParameter:
    return click.BadParameter(problem, param_hint=f"'--{name}'")


def filters(command: Any) -> Any:
    """The options that `Chosen` takes."""
    for name, help_text in (
        ("topic", "Only from this source topic."),
        ("field", "Only with this field, such as amount_minor."),
        ("reason", "Only with this reason, such as payload_field."),
        ("code", "Only with this code, such as EVENT_SCHEMA_INVALID."),
    ):
        command = click.option(f"--{name}", metavar="LIST", help=f"{help_text} Or these, with commas.")(
            command
        )
    at = Time()
    command = click.option("--to", "to", type=at, help="Only what was quarantined before this time.")(command)
    since = "Only what was quarantined at or after this time."
    return click.option("--from", "since", type=at, help=since)(command)


def why_cut(record: QuarantineRecord) -> str:
    """Why a record that is not whole cannot be sent again, and where the whole of it is."""
    what = "value" if record.truncated is not None else "key"
    return (
        f"the {what} of record {record.at} was too large for this topic and is not in it: it is in"
        f" {record.source}, while Kafka keeps it"
        + (
            ""
            if record.truncated is None
            else ", and in Bronze, under _bad/, in the row of that topic, partition and offset"
        )
    )


def ask(settings: Settings, question: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
    """Reading may take long; that Kafka is silent meanwhile may not."""
    try:
        return ask_kafka(settings, question(), seconds)
    except RefusedError as error:
        raise Failure(str(error)) from None
