"""What the commands of `sluice quarantine` share: ids, filters, and asking Kafka."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import click

from agents.quarantine.audit import STATES
from agents.quarantine.record import Position, QuarantineRecord
from agents.quarantine.told import told_of, version_of
from schemas.catalogue import EVENTS
from schemas.times import parse_instant
from schemas.validation.reasons import Code, Reason
from streams.cli.common import Failure, ask_kafka
from streams.cli.parameters import is_within, names, period_options
from streams.kafka.producer import RefusedError
from streams.settings import Settings
from streams.sources.quarantine_audit import Audit
from tables.query.values import did_you_mean, no_such
from tables.spec.records import UNKNOWN

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


class Sent(NamedTuple):
    """An event in a version that adapters take."""

    event: str
    version: int

    @classmethod
    def of(cls, text: str) -> Sent:
        """The type of `--adapter`, `EVENT:VERSION`."""
        event, _, version = text.rpartition(":")
        if not re.fullmatch(r"\d{1,9}", version) or not event:
            raise click.BadParameter(f"{text!r} is not EVENT:VERSION, such as payout.paid:2")
        spec = EVENTS.get(event)
        if spec is None:
            raise click.BadParameter(f"there is no {event!r}{did_you_mean(event, list(EVENTS))}")
        if not spec.chain(int(version)):
            known = ", ".join(map(str, spec.adapted_from)) or "no other"
            raise click.BadParameter(
                f"no adapter takes version {version} of {event}: {spec.version} is known, and from adapters"
                f" {known}"
            )
        return cls(event, int(version))


class Chosen:
    """The filters of all commands: a record passes if it passes every one that is given.

    Codes, reasons and events are those of the catalogue, others are wrong usage; a field, topic or source
    that no record has is told. `states`: those that are wanted; None: all. They are the audit's to judge.
    `adapter`: those that were quarantined for that version of that event.
    """

    def __init__(
        self,
        *,
        since: datetime | None,
        to: datetime | None,
        state: Sequence[str] = (),
        adapter: Sent | None = None,
        **given: list[str] | None,
    ) -> None:
        self.states = frozenset(state) or None
        self.wanted = {name: values for name, values in given.items() if values is not None}
        allowed: tuple[tuple[str, Sequence[str]], ...] = (
            ("code", list(Code)),
            ("reason", list(Reason)),
            ("event", [*EVENTS, UNKNOWN]),
        )
        for name, known in allowed:
            for value in self.wanted.get(name, ()):
                if value not in known:
                    hint = did_you_mean(value, known)
                    some = "" if name == "event" else f": it is one of {', '.join(known)}"
                    problem = f"there is no {value!r}{some}{hint}"
                    raise click.BadParameter(problem, param_hint=f"'--{name}'")
        self._since, self._to, self._adapter = since, to, adapter
        if adapter is not None:
            if self.wanted.keys() & {"event", "reason"}:
                raise click.UsageError("--adapter says event and reason: leave out --event and --reason")
            self.wanted |= {"event": [adapter.event], "reason": [Reason.UNKNOWN_VERSION.value]}
        self._seen: dict[str, set[str]] = {"field": set(), "topic": set()}
        if "source" in self.wanted:
            self._seen["source"] = set()

    @property
    def given(self) -> bool:
        """Whether there is any filter."""
        return bool(self.wanted or self.states or self._since or self._to)

    def __call__(self, record: QuarantineRecord) -> bool:
        """Whether a record is chosen."""
        for name, seen in self._seen.items():
            if len(seen) < MOST_SEEN:
                seen.add(_fact(record, name))
        if not all(_fact(record, name) in values for name, values in self.wanted.items()):
            return False
        if self._adapter is not None and version_of(record) != self._adapter.version:
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
            said
            for name, seen in self._seen.items()
            if len(seen) < MOST_SEEN
            for said in no_such(name, set(self.wanted.get(name, ())) - seen, seen - {""})
        ]


def _fact(record: QuarantineRecord, name: str) -> str:
    of = told_of(record) if name in ("event", "source") else record
    return str(getattr(of, name))


def state_of(audit: Audit, record: QuarantineRecord, chosen: Chosen) -> str | None:
    """A chosen record's state; None: it is not chosen."""
    if not chosen(record):
        return None
    state = audit.state(record)
    return state if chosen.states is None or state in chosen.states else None


def filters(command: Any) -> Any:
    """The options that `Chosen` takes."""
    command = click.option(
        "--state", type=click.Choice(STATES), multiple=True, help="Only those in this state; repeatable."
    )(command)
    for name, help_text in (
        ("source", "Only from this producer, as its records say; `_unknown`: they do not."),
        ("event", "Only of this event, as they say; `_unknown`: they do not, or there is none such."),
        ("topic", "Only from this source topic."),
        ("field", "Only with this field, such as amount_minor."),
        ("reason", "Only with this reason, such as payload_field."),
        ("code", "Only with this code, such as EVENT_SCHEMA_INVALID."),
    ):
        text = f"{help_text} Or these, with commas."
        command = click.option(f"--{name}", type=names, metavar="LIST", help=text)(command)
    return period_options("was quarantined")(command)


def ask(settings: Settings, question: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
    """Reading may take long; that Kafka is silent meanwhile may not."""
    try:
        return ask_kafka(settings, question(), seconds)
    except RefusedError as error:
        raise Failure(str(error)) from None
