"""`sluice quarantine list|show|replay`."""

from __future__ import annotations

import base64
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, TypeVar

import click

from schemas.instants import parse_instant
from schemas.reasons import Code, Reason
from streams.cli.common import (
    Failure,
    add_row,
    ask_kafka,
    console,
    echo_json,
    json_option,
    new_table,
    say,
    timeout_option,
)
from streams.cli.formats import instant
from streams.cli.times import Time
from streams.plain_text import plain_lines
from streams.settings import Settings
from streams.sources.produce import Outbox, RefusedError, outbox
from streams.sources.quarantine import BadRecord, Position, bad_record, bad_records
from tables.param_values import EmptyElementError, did_you_mean, no_such, split_list

T = TypeVar("T")
MOST_SEEN = 1000
"""Fields and topics that are remembered: names come from records, and a flood of them stays bounded."""
HEADINGS = ("id", "code", "reason", "field", "detail", "source", "at (UTC)", "bytes")


class _Id(click.ParamType):
    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Position:
        if not re.fullmatch(r"\d{1,9}:\d{1,18}", str(value)):
            self.fail(f"{value!r} is not partition:offset, as `sluice quarantine list` shows it", param, ctx)
        partition, offset = str(value).split(":")
        return Position(int(partition), int(offset))


class _Chosen:
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

    def __call__(self, record: BadRecord) -> bool:
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


def _filters(command: Any) -> Any:
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


@click.group()
def quarantine() -> None:
    """Look at the records that are not valid events, and send them again once what was wrong is mended."""


@quarantine.command("list")
@_filters
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The newest so many.")
@timeout_option
@json_option
def list_(*, limit: int, timeout_seconds: float, as_json: bool, **filters: Any) -> None:
    """List bad records with code, reason and source, oldest first. Their content is never shown here.

    \b
    Examples:
      sluice quarantine list
      sluice quarantine list --reason payload_field --field amount_minor,currency
      sluice quarantine list --from 2026-03-01T09:00:00Z --limit 1000 --json
    """
    settings = Settings.load()
    chosen = _Chosen(**filters)
    newest, reasons = _ask(settings, lambda: _read(settings, chosen, limit), timeout_seconds)
    warnings = chosen.warnings()
    for warning in warnings:
        say(f"sluice: {warning}", err=True)
    if as_json:
        answer = {"total": reasons.total(), "records": [record.facts() for record in newest]}
        echo_json(answer | ({"warnings": warnings} if warnings else {}))
        return
    table = new_table(HEADINGS, right=("bytes",))
    for record in newest:
        add_row(table, _cells(record))
    console().print(table)
    counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
    click.echo()
    say(f"{len(newest):,} of {reasons.total():,} shown" + (f" ({counts})" if counts else ""))


async def _read(settings: Settings, chosen: _Chosen, limit: int) -> tuple[list[BadRecord], Counter[str]]:
    """The newest chosen records, and how many were chosen by reason. Holds at most twice `limit` records."""
    reasons: Counter[str] = Counter()
    records: list[BadRecord] = []
    async for record in bad_records(settings):
        if chosen(record):
            reasons[record.reason] += 1
            records.append(record)
            if len(records) >= 2 * limit:
                records = _newest(records, limit)
    return _newest(records, limit), reasons


def _newest(records: list[BadRecord], limit: int) -> list[BadRecord]:
    return sorted(records, key=lambda record: (record.quarantined_at, record.at))[-limit:]


def _cells(record: BadRecord) -> Sequence[str]:
    size = "none" if record.value is None else f"{len(record.value):,}"
    if record.truncated is not None:
        size += f" of {record.truncated:,}"
    when = instant(record.quarantined_at)
    return str(record.at), record.code, record.reason, record.field, record.detail, record.source, when, size


@quarantine.command()
@click.argument("at", type=_Id(), metavar="ID")
@click.option("--value", "with_value", is_flag=True, help="Its bytes too, which may hold personal data.")
@timeout_option
@json_option
def show(*, at: Position, with_value: bool, timeout_seconds: float, as_json: bool) -> None:
    """Show one bad record: why it is bad and, only with --value, its content as it came.

    \b
    Examples:
      sluice quarantine show 2:17
      sluice quarantine show 2:17 --value > record.json
    """
    settings = Settings.load()
    record = _ask(settings, lambda: bad_record(settings, at), timeout_seconds)
    if record is None:
        raise Failure(f"there is no record {at} in {settings.topic('events.quarantine')}")
    if as_json:
        value = _base64(record.value)
        own = [
            {"name": name.decode(errors="backslashreplace"), "value_base64": _base64(text)}
            for name, text in record.headers
        ]
        echo_json(record.facts() | ({"value_base64": value, "headers": own} if with_value else {}))
        return
    if not record.whole:
        click.echo(f"{_cut(record)}\n", err=True)
    width = max(len(name) for name in record.facts())
    for name, fact in record.facts().items():
        say(f"{name:{width}}  {'-' if fact in (None, '') else fact}", err=with_value)
    if with_value and sys.stdout.isatty():  # to look at: what it holds must not act on the terminal
        click.echo(plain_lines((record.value or b"").decode(errors="backslashreplace")))
    elif with_value:
        sys.stdout.buffer.write(record.value or b"")
        sys.stdout.buffer.flush()


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _cut(record: BadRecord) -> str:
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


@quarantine.command()
@click.argument("ids", nargs=-1, type=_Id(), metavar="[ID…]")
@_filters
@click.option("--all", "everything", is_flag=True, help="Every record.")
@timeout_option
@json_option
def replay(
    *, ids: tuple[Position, ...], everything: bool, timeout_seconds: float, as_json: bool, **filters: Any
) -> None:
    """Send bad records again, byte for byte, to the topic and partition they came from.

    They have their producer's own headers. The records stay in the quarantine too. Records that are still bad
    come back to it. One that was too large for the quarantine is not there to be sent: among chosen ones it
    is left out, and the exit code is then 1.

    \b
    Examples:
      sluice quarantine replay 2:17 3:4
      sluice quarantine replay --reason unknown_event
    """
    settings = Settings.load()
    chosen = _Chosen(**filters)
    if sum((bool(ids), chosen.given, everything)) != 1:
        raise click.UsageError("say which records: IDs, or filters such as --reason, or --all")
    cut: list[BadRecord] = []
    records = _by_id(settings, ids) if ids else _all(settings, chosen, cut)
    sent = _ask(settings, lambda: _send_again(settings, records), timeout_seconds)
    warnings = [] if ids else chosen.warnings()
    for warning in warnings:
        say(f"sluice: {warning}", err=True)
    if as_json:
        answer: dict[str, Any] = {"sent": sent.total(), "topics": dict(sent)}
        if cut:
            answer["not_sent"] = len(cut)
        echo_json(answer | ({"warnings": warnings} if warnings else {}))
    else:
        where = ", ".join(f"{count:,} to {topic}" for topic, count in sent.items())
        say(f"sent again: {where}" if where or cut else "no such record in the quarantine")
    if cut:
        raise Failure(f"{len(cut):,} not sent again, as they are not whole: {_cut(cut[0])}")


async def _by_id(settings: Settings, ids: Sequence[Position]) -> AsyncIterator[BadRecord]:
    found: list[BadRecord] = []
    for at in ids:
        record = await bad_record(settings, at)
        if record is None:
            raise RefusedError(f"there is no record {at} in {settings.topic('events.quarantine')}")
        if not record.whole:
            raise RefusedError(_cut(record))
        found.append(record)
    for record in found:
        yield record


async def _all(settings: Settings, chosen: _Chosen, cut: list[BadRecord]) -> AsyncIterator[BadRecord]:
    """The chosen records that are whole; the others are added to `cut`."""
    async for record in bad_records(settings):
        if chosen(record):
            if record.whole:
                yield record
            else:
                cut.append(record)


async def _send_again(settings: Settings, records: AsyncIterator[BadRecord]) -> Counter[str]:
    """How many went to which topic, all acknowledged."""
    boxes: dict[str, Outbox] = {}
    async with AsyncExitStack() as open_boxes:
        async for record in records:
            if record.topic not in boxes:
                boxes[record.topic] = await open_boxes.enter_async_context(outbox(settings, record.topic))
            origin = f"quarantined record {record.at}"
            await boxes[record.topic].add(record.key, record.value, origin, record.partition, record.headers)
        for box in boxes.values():
            await box.settle()
        return Counter({topic: box.acknowledged for topic, box in boxes.items()})


def _ask(settings: Settings, question: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
    """Reading may take long; that Kafka is silent meanwhile may not."""
    try:
        return ask_kafka(settings, question(), seconds)
    except RefusedError as error:
        raise Failure(str(error)) from None
