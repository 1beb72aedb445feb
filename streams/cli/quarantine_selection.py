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
from streams.cli.parameters import is_within, names, period_options
from streams.kafka.producer import RefusedError
from streams.settings import Settings
from tables.query.values import did_you_mean, no_such

T = TypeVar("T")
MOST_SEEN = 1000
"""Fields and topics that are remembered: names come from records, and a flood of them stays bounded."""


def position(text: str) -> Position:
    """The type of an argument `partition:offset`: a bad record's place in the quarantine."""
    if not re.fullmatch(r"\d{1,9}:\d{1,18}", text):
        problem = f"{text!r} is not partition:offset, as `sluice quarantine list` shows it"
        raise click.BadParameter(problem)
    partition, offset = text.split(":")
    return Position(int(partition), int(offset))


class Chosen:
    """The filters of `list` and `replay`: a record passes if it passes every one that is given.

    Codes and reasons are those of the catalogue, others are wrong usage; a field or a topic that no record
    has is told.
    """

    def __init__(self, *, since: datetime | None, to: datetime | None, **given: list[str] | None) -> None:
        self.wanted = {name: values for name, values in given.items() if values is not None}
        for name, known in (("code", Code), ("reason", Reason)):
            for value in self.wanted.get(name, ()):
                if value not in list(known):
                    hint = did_you_mean(value, known)
                    problem = f"there is no {value!r}: it is one of {', '.join(known)}{hint}"
                    raise click.BadParameter(problem, param_hint=f"'--{name}'")
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
        if self._since is None and self._to is None:
            return True
        try:
            return is_within(parse_instant(record.quarantined_at), self._since, self._to)
        except ValueError:
            return False  # of no time that can be read

    def warnings(self) -> list[str]:
        """What none of the records that were read has, though it was asked for."""
        return [
            no_such(name, value, seen - {""})
            for name, seen in self._seen.items()
            for value in self.wanted.get(name, ())
            if value not in seen and len(seen) < MOST_SEEN
        ]


def filters(command: Any) -> Any:
    """The options that `Chosen` takes."""
    for name, help_text in (
        ("topic", "Only from this source topic."),
        ("field", "Only with this field, such as amount_minor."),
        ("reason", "Only with this reason, such as payload_field."),
        ("code", "Only with this code, such as EVENT_SCHEMA_INVALID."),
    ):
        text = f"{help_text} Or these, with commas."
        command = click.option(f"--{name}", type=names, metavar="LIST", help=text)(command)
    return period_options("was quarantined")(command)


def why_cut(record: QuarantineRecord) -> str:
    """Why a record that is not whole cannot be sent again, and where the whole of it is."""
    what, also = "key", ""
    if record.truncated is not None:
        what, also = "value", ", and in Bronze, under _bad/, in the row of that topic, partition and offset"
    return (
        f"the {what} of record {record.at} was too large for this topic and is not in it: it is in"
        f" {record.source}, while Kafka keeps it{also}"
    )


def ask(settings: Settings, question: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
    """Reading may take long; that Kafka is silent meanwhile may not."""
    try:
        return ask_kafka(settings, question(), seconds)
    except RefusedError as error:
        raise Failure(str(error)) from None
