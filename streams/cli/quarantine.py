"""`sluice quarantine list|show|replay`."""

from __future__ import annotations

import asyncio
import base64
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import click
from rich.table import Table

from streams.bus.client import connected_admin
from streams.cli.common import Failure, ask_kafka, console, echo_json, json_option
from streams.cli.formats import instant
from streams.settings import Settings
from streams.sources.produce import Outbox, RefusedError, outbox
from streams.sources.quarantine import BadRecord, Position, bad_record, bad_records

T = TypeVar("T")
CONNECT_SECONDS, READ_SECONDS = 15.0, 3600.0
HEADINGS = ("id", "code", "reason", "field", "detail", "source", "at (UTC)", "bytes")


class _Id(click.ParamType):
    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Position:
        if not re.fullmatch(r"\d{1,9}:\d{1,18}", str(value)):
            self.fail(f"{value!r} is not partition:offset, as `sluice quarantine list` shows it", param, ctx)
        partition, offset = str(value).split(":")
        return Position(int(partition), int(offset))


class _Chosen:
    """The filters of `list` and `replay`: a record passes if it passes every one that is given."""

    def __init__(self, code: str | None, reason: str | None, field: str | None, topic: str | None) -> None:
        wanted = {"code": code, "reason": reason, "field": field, "topic": topic}
        self.wanted = {name: value for name, value in wanted.items() if value is not None}

    def __call__(self, record: BadRecord) -> bool:
        return all(getattr(record, name) == value for name, value in self.wanted.items())


def _filters(command: Any) -> Any:
    for name, help_text in (
        ("topic", "Only from this source topic."),
        ("field", "Only with this field, such as payload.currency."),
        ("reason", "Only with this reason, such as payload_field."),
        ("code", "Only with this code, such as EVENT_SCHEMA_INVALID."),
    ):
        command = click.option(f"--{name}", help=help_text)(command)
    return command


@click.group()
def quarantine() -> None:
    """Look at the records that are not valid events, and send them again once what was wrong is mended."""


@quarantine.command("list")
@_filters
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The newest so many.")
@json_option
def list_(*, limit: int, as_json: bool, **filters: str | None) -> None:
    """List bad records with code, reason and source, oldest first. Their content is never shown here.

    \b
    Examples:
      sluice quarantine list
      sluice quarantine list --reason payload_field --limit 1000 --json
    """
    settings = Settings.load()
    chosen = _Chosen(**filters)
    newest, reasons = _ask(settings, lambda: _read(settings, chosen, limit))
    if as_json:
        echo_json({"total": reasons.total(), "records": [record.facts() for record in newest]})
        return
    table = Table(box=None, pad_edge=False, header_style="bold cyan")
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading == "bytes" else "left", overflow="fold")
    for record in newest:
        table.add_row(*_cells(record))
    console().print(table)
    counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
    click.echo(f"\n{len(newest):,} of {reasons.total():,} shown" + (f" ({counts})" if counts else ""))


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
@json_option
def show(*, at: Position, with_value: bool, as_json: bool) -> None:
    """Show one bad record: why it is bad and, only with --value, its content as it came.

    \b
    Examples:
      sluice quarantine show 2:17
      sluice quarantine show 2:17 --value > record.json
    """
    settings = Settings.load()
    record = _ask(settings, lambda: bad_record(settings, at))
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
        click.echo(f"{name:{width}}  {'-' if fact in (None, '') else fact}", err=with_value)
    if with_value:
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
@json_option
def replay(*, ids: tuple[Position, ...], everything: bool, as_json: bool, **filters: str | None) -> None:
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
    if sum((bool(ids), bool(chosen.wanted), everything)) != 1:
        raise click.UsageError("say which records: IDs, or filters such as --reason, or --all")
    cut: list[BadRecord] = []
    records = _by_id(settings, ids) if ids else _all(settings, chosen, cut)
    sent = _ask(settings, lambda: _send_again(settings, records))
    if as_json:
        echo_json({"sent": sent.total(), "topics": dict(sent)} | ({"not_sent": len(cut)} if cut else {}))
    else:
        where = ", ".join(f"{count:,} to {topic}" for topic, count in sent.items())
        click.echo(f"sent again: {where}" if where or cut else "no such record in the quarantine")
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


def _ask(settings: Settings, question: Callable[[], Awaitable[T]]) -> T:
    """Reading may take long; that Kafka answers at all may not."""

    async def asked() -> T:
        async with asyncio.timeout(CONNECT_SECONDS):
            admin = await connected_admin(settings)
        await admin.close()
        return await question()

    try:
        return ask_kafka(settings, asked(), READ_SECONDS)
    except RefusedError as error:
        raise Failure(str(error)) from None
