"""`sluice bronze …`: look at what the bronze worker has written."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, TypeVar

import click

from agents.bronze.files import CorruptFileError
from agents.bronze.store import Store, StoreError
from schemas.catalogue import EVENTS
from streams.cli.bronze_cost import cost
from streams.cli.common import Failure, WrongUsage, echo_json, json_option, list_options, say
from streams.cli.page import Page, echo_page, prose
from streams.cli.parameters import is_within, names, period_options
from streams.cli.screen import screen_of
from streams.cli.table import Column, Kind, table
from streams.cli.tsv import echo_tsv
from streams.plain_text import json_escaped
from streams.settings import Settings
from streams.store import bronze_verify
from streams.store.bronze_reader import BronzeReader, occurred_at
from tables.query.values import did_you_mean

T = TypeVar("T")
Events = tuple[list[str], ...]
OBJECTS = (Column("path"), Column("rows", Kind.NUMBER), Column("bytes", Kind.NUMBER))
_DATE = re.compile(r"/dt=(\d{4}-\d\d-\d\d)/")


def _selection(command: Any) -> Any:
    text = "Only these events, with commas."
    command = click.option("--event", "events", type=names, multiple=True, metavar="LIST", help=text)(command)
    return period_options("occurred")(command)


@click.group()
def bronze() -> None:
    """Look at what the bronze worker has written to SLUICE_BRONZE_URL, and what that costs."""


bronze.add_command(cost)


@bronze.command("ls")
@_selection
@list_options
def list_objects(
    *, since: datetime | None, to: datetime | None, events: Events, as_json: bool, as_tsv: bool
) -> None:
    """List committed objects: path, rows, bytes. Quarantined ones too, unless an event is asked for.

    Objects are laid down by the day they occurred on: --from and --to choose whole days.

    \b
    Examples:
      sluice bronze ls
      sluice bronze ls --event charge.succeeded --from 2026-03-01 --to 2026-03-02
    """
    wanted = _Wanted(since, to, events)

    async def found(store: Store) -> list[dict[str, Any]]:
        return [
            {"path": entry.path, "rows": entry.rows, "bytes": entry.bytes, "crc32c": entry.crc32c}
            async for entry in BronzeReader(store).objects(wanted)
        ]

    objects = sorted(_ask(found), key=lambda entry: str(entry["path"]))
    wanted.check()
    if as_json:
        echo_json(objects)
        return
    if as_tsv:
        echo_tsv(("path", "rows", "bytes", "crc32c"), objects)
    elif objects:
        cells = [(entry["path"], f"{entry['rows']:,}", f"{entry['bytes']:,}") for entry in objects]
        echo_page(table(OBJECTS, cells, screen_of()))
    total = sum(entry["rows"] for entry in objects)
    click.echo(f"{total:,} rows in {len(objects):,} objects", err=True)


@bronze.command()
@_selection
@json_option
def cat(*, since: datetime | None, to: datetime | None, events: Events, as_json: bool) -> None:
    """Write committed rows, one JSON object a line (--json: as one list).

    \b
    Examples:
      sluice bronze cat --event charge.succeeded,charge.failed | jq .payload.amount_minor
      sluice bronze cat --from 2026-03-01T12:00:00Z --to 2026-03-01T13:00:00Z
    """
    wanted = _Wanted(since, to, events)

    async def write(store: Store) -> None:
        lines: list[bytes] = []
        to_look_at = sys.stdout.isatty()
        async for line in BronzeReader(store).rows(lambda path: path.startswith("event=") and wanted(path)):
            if (since or to) and not is_within(occurred_at(line), since, to):
                continue
            if as_json:
                lines.append(line.rstrip(b"\n"))
            elif to_look_at:  # what a line holds must not act on the terminal
                click.echo(json_escaped(line.decode(errors="backslashreplace")), nl=False)
            else:
                sys.stdout.buffer.write(line)
        if as_json:
            sys.stdout.buffer.write(b"[" + b",".join(lines) + b"]\n")
        sys.stdout.buffer.flush()

    _ask(write)
    wanted.check()


@bronze.command()
@_selection
@json_option
def verify(*, since: datetime | None, to: datetime | None, events: Events, as_json: bool) -> None:
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
    wanted = _Wanted(since, to, events)
    verdict = _ask(lambda store: bronze_verify.verify(store, wanted))
    wanted.check()
    if as_json:
        echo_json(asdict(verdict))
    else:
        click.echo(
            f"{verdict.commits:,} commits, {verdict.objects:,} objects, {verdict.rows:,} rows,"
            f" {verdict.bytes:,} bytes; {verdict.unfinished:,} objects are being written"
        )
        for topic, partition, first, until in verdict.lost:
            what = f"{topic}-{partition} offsets {first} to {until - 1}"
            say(f"note  Kafka deleted {what} before they were read")
        screen = screen_of()
        fail = f"{screen.styled('FAIL', 'bad')}  "
        problems = [
            prose(f"{problem.kind}: {problem.found}", screen, first=fail, indent=6)
            for problem in verdict.problems
        ]
        echo_page(Page(rows=problems))
    if verdict.problems:
        raise click.exceptions.Exit(1)


class _Wanted:
    """Whether an object can have what was asked for, by its path."""

    def __init__(self, since: datetime | None, to: datetime | None, events: Events) -> None:
        self._first = since.date().isoformat() if since else ""
        try:
            self._last = (to - timedelta(microseconds=1)).date().isoformat() if to else "9999-12-31"
        except OverflowError:
            problem = "0001-01-01 is the first moment there is: nothing occurred before it"
            raise click.BadParameter(problem, param_hint="'--to'") from None
        named = list(chain.from_iterable(events))
        self._folders = tuple(f"event={event}/" for event in named) or ("event=", "_bad/")
        self._unknown = {f"event={event}/": event for event in named if event not in EVENTS}

    def __call__(self, path: str) -> bool:
        for folder in [folder for folder in self._unknown if path.startswith(folder)]:
            del self._unknown[folder]  # of another release
        date = _DATE.search(path)
        return path.startswith(self._folders) and date is not None and self._first <= date[1] <= self._last

    def check(self) -> None:
        """Raises `WrongUsage` for an event that neither the catalogue nor what was looked through has."""
        for event in self._unknown.values():
            raise WrongUsage(f"no such event: {event}{did_you_mean(event, EVENTS)} (sluice schemas list)")


def _ask(question: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
    """Ask the store of SLUICE_BRONZE_URL something. Raises `Failure` for what it answers with."""
    from streams.store.urls import bronze_store  # noqa: PLC0415 - obstore takes a moment

    try:
        return asyncio.run(question(bronze_store(Settings.load())))
    except (StoreError, CorruptFileError) as error:
        raise Failure(str(error)) from None
