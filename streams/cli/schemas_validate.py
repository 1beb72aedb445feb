"""`sluice schemas validate`: a producer's own check, before anything is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import click

from streams.cli.common import Failure, WrongUsage, json_option, say
from streams.cli.parameters import Time
from streams.plain_text import json_text


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--at", type=Time(), help="Kafka's timestamp to judge by, for `in_future`.  [default: now]")
@json_option
def validate(*, files: tuple[str, ...], at: datetime | None, as_json: bool) -> None:
    """Judge the events of FILEs as the pipeline would, before they are sent; `-` is standard input.

    Files are read like those of `sluice replay`: one event a line, JSON arrays, packed (gzip, bzip2, xz,
    Zstandard, zip), UTF-8, UTF-16 or UTF-32. Each bad event is one line: file, line, code, reason, field and
    detail, never its value. Exit code 1 if there is any, 2 if there is nothing to judge.

    \b
    Examples:
      sluice schemas validate events.ndjson.gz
      my-producer --dry-run | sluice schemas validate -
      sluice schemas validate --json monday.ndjson | jq '.bad[].field'
    """
    from streams.sources.judging import Judged  # noqa: PLC0415 - with it comes the validator
    from streams.sources.record import SourceError  # noqa: PLC0415

    timestamp_ms = int(at.timestamp() * 1000) if at else time.time_ns() // 1_000_000
    judged = Judged()
    failure = None
    write = _write_json if as_json else _write_lines
    try:
        write(_bad_lines(files, timestamp_ms, judged))
    except SourceError as error:
        failure = f"{error} ({judged.values:,} judged before it)"
    if as_json:
        _end_json(files, judged, failure)
    if failure:
        raise Failure(failure)
    if not judged.values:
        raise WrongUsage(f"{', '.join(files)}: empty, there is no event to judge")
    if not as_json:
        _summarize(judged)
    if judged.bad:
        raise click.exceptions.Exit(1)


def _bad_lines(files: tuple[str, ...], timestamp_ms: int, judged: Any) -> Iterator[dict[str, Any]]:
    from schemas.validation.validator import Validator  # noqa: PLC0415
    from streams.settings import Settings  # noqa: PLC0415
    from streams.sources.files import InputFile  # noqa: PLC0415
    from streams.sources.judging import judge  # noqa: PLC0415
    from streams.sources.ndjson import Ndjson  # noqa: PLC0415

    validator = Validator(Settings.load().max_event_bytes)
    with ExitStack() as closing:
        inputs = [InputFile(name) for name in files]
        for file in inputs:
            closing.callback(file.close)
            file.check()  # a name that is wrong is told before hours of others are read
        for file in inputs:
            for bad in judge(Ndjson(file, force=True), validator, timestamp_ms, judged):
                yield {"file": bad.file, "line": bad.line} | bad.verdict._asdict()


def _text(bad: dict[str, Any]) -> str:
    about = " ".join(filter(None, (bad["code"], bad["reason"], bad["event"], bad["field"])))
    return f"{bad['file']}:{bad['line']}: {about}: {bad['detail']}"


def _write_lines(found: Iterator[dict[str, Any]]) -> None:
    for bad in found:
        say(_text(bad))


def _write_json(found: Iterator[dict[str, Any]]) -> None:
    """One document, written as it is found: there may be any number of bad ones."""
    click.echo('{"bad": [', nl=False)
    for number, bad in enumerate(found):
        click.echo(("," if number else "") + "\n" + json_text(bad), nl=False)


def _end_json(files: tuple[str, ...], judged: Any, failure: str | None) -> None:
    rest = {"files": list(files), "judged": judged.values, "bad_count": judged.bad.total(), "error": failure}
    click.echo("],\n" + json_text(rest)[1:])


def _summarize(judged: Any) -> None:
    bad = judged.bad.total()
    if not bad:
        click.echo(f"{judged.values:,} events, all good")
        return
    click.echo(f"{bad:,} of {judged.values:,} events are bad:")
    for (reason, event, field), count in judged.bad.most_common():
        say(f"{count:>9,}  {' '.join(filter(None, (reason, event, field)))}")
