"""`sluice bronze …`: look at what the bronze worker has written."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streams.cli.common import Failure, echo_json, json_option
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.store.bronze_reader import BronzeReader
    from streams.store.bronze_verify import Verdict

T = TypeVar("T")
_DATE = re.compile(r"/dt=(\d{4}-\d\d-\d\d)/")


class _Time(click.ParamType):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """A date or an RFC 3339 time; a time without an offset is in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time: 2026-03-01 or 2026-03-01T12:00:00Z", param, ctx)


def _selection(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--event", "events", multiple=True, metavar="NAME", help="Only this event; repeatable."),
        click.option("--to", "to", type=_Time(), help="Only what occurred before this time."),
        click.option("--from", "since", type=_Time(), help="Only what occurred at or after this time."),
    ):
        command = option(command)
    return command


@click.group()
def bronze() -> None:
    """Look at what the bronze worker has written to SLUICE_BRONZE_URL."""


@bronze.command("ls")
@_selection
@json_option
def list_objects(
    *, since: datetime | None, to: datetime | None, events: tuple[str, ...], as_json: bool
) -> None:
    """List committed objects: rows, bytes, path. Quarantined ones too, unless an event is asked for.

    Objects are laid down by the day they occurred on: --from and --to choose whole days.

    \b
    Examples:
      sluice bronze ls
      sluice bronze ls --event charge.succeeded --from 2026-03-01 --to 2026-03-02
    """
    wanted = _wanted(since, to, events)

    async def found(reader: BronzeReader) -> list[dict[str, Any]]:
        return [
            {"path": entry.path, "rows": entry.rows, "bytes": entry.bytes, "crc32c": entry.crc32c}
            async for entry in reader.objects(wanted)
        ]

    objects = sorted(_ask(found), key=lambda entry: str(entry["path"]))
    if as_json:
        echo_json(objects)
        return
    for entry in objects:
        click.echo(f"{entry['rows']:>10,} {entry['bytes']:>12,}  {entry['path']}")
    total = sum(entry["rows"] for entry in objects)
    click.echo(f"{total:>10,} rows in {len(objects):,} objects", err=True)


@bronze.command()
@_selection
@json_option
def cat(*, since: datetime | None, to: datetime | None, events: tuple[str, ...], as_json: bool) -> None:
    """Write committed rows, one JSON object a line (--json: as one list).

    \b
    Examples:
      sluice bronze cat --event charge.succeeded | jq .payload.amount_minor
      sluice bronze cat --from 2026-03-01T12:00:00Z --to 2026-03-01T13:00:00Z
    """
    wanted = _wanted(since, to, events)

    async def write(reader: BronzeReader) -> None:
        lines: list[bytes] = []
        async for line in reader.rows(lambda path: path.startswith("event=") and wanted(path)):
            if not _is_in(line, since, to):
                continue
            if as_json:
                lines.append(line.rstrip(b"\n"))
            else:
                sys.stdout.buffer.write(line)
        if as_json:
            sys.stdout.buffer.write(b"[" + b",".join(lines) + b"]\n")
        sys.stdout.buffer.flush()

    _ask(write)


@bronze.command()
@_selection
@json_option
def verify(*, since: datetime | None, to: datetime | None, events: tuple[str, ...], as_json: bool) -> None:
    """Hold every commit against its objects (rows, bytes, CRC-32C) and against its neighbours.

    --from, --to (by whole days) and --event choose which objects are read; ranges are judged in any case.

    Exit code 1 if an object is wrong, missing or in no commit, if offsets are missing or there twice, or if a
    commit is missing or cannot be read. A range whose commit is missing is looked at again for some seconds,
    as a worker may be about to write it. What Kafka deleted before it was read is told, and no failure of
    Bronze.

    \b
    Examples:
      sluice bronze verify
      sluice bronze verify --from 2026-03-01 --to 2026-03-02
    """
    from streams.store.bronze_verify import verify as judge  # noqa: PLC0415

    wanted = _wanted(since, to, events)
    verdict: Verdict = _ask_store(lambda store: judge(store, wanted))
    if as_json:
        echo_json(asdict(verdict))
    else:
        click.echo(
            f"{verdict.commits:,} commits, {verdict.objects:,} objects, {verdict.rows:,} rows,"
            f" {verdict.bytes:,} bytes; {verdict.unfinished:,} objects are being written"
        )
        for topic, partition, first, until in verdict.lost:
            what = f"{topic}-{partition} offsets {first} to {until - 1}"
            click.echo(f"note  Kafka deleted {what} before they were read")
        for problem in verdict.problems:
            click.echo(f"{click.style('FAIL', fg='red')}  {problem.kind}: {problem.found}")
    if verdict.problems:
        raise click.exceptions.Exit(1)


def _is_in(line: bytes, since: datetime | None, to: datetime | None) -> bool:
    """Whether a row's event occurred in [since, to). Without a limit the row is not looked into."""
    if since is None and to is None:
        return True
    from streams.store.bronze_reader import occurred_at  # noqa: PLC0415

    at = occurred_at(line)
    return (since is None or at >= since) and (to is None or at < to)


def _wanted(since: datetime | None, to: datetime | None, events: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether an object can have what was asked for, by its path."""
    first = since.date().isoformat() if since else ""
    try:
        last = (to - timedelta(microseconds=1)).date().isoformat() if to else "9999-12-31"
    except OverflowError:
        problem = "0001-01-01 is the first moment there is: nothing occurred before it"
        raise click.BadParameter(problem, param_hint="'--to'") from None
    folders = tuple(f"event={event}/" for event in events) or ("event=", "_bad/")

    def wanted(path: str) -> bool:
        date = _DATE.search(path)
        return path.startswith(folders) and date is not None and first <= date[1] <= last

    return wanted


def _ask(question: Callable[[BronzeReader], Coroutine[Any, Any, T]]) -> T:
    from streams.store.bronze_reader import BronzeReader  # noqa: PLC0415

    return _ask_store(lambda store: question(BronzeReader(store)))


def _ask_store(question: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Ask the store of SLUICE_BRONZE_URL something. Raises `Failure` for what it answers with."""
    from agents.bronze_files import CorruptFileError  # noqa: PLC0415
    from agents.bronze_store import StoreError  # noqa: PLC0415
    from streams.store.at_url import bronze_store  # noqa: PLC0415

    try:
        return asyncio.run(question(bronze_store(Settings.load())))
    except (StoreError, CorruptFileError) as error:
        raise Failure(str(error)) from None
