"""`sluice schemas list|render|check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import click

from schemas.catalogue import EVENTS
from streams.cli.common import Failure, add_row, console, echo_json, json_option, new_table
from streams.embedded.broker import ROOT

out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=ROOT,
    help="Folder.  [default: the checkout that this command is of]",
)


@click.group()
def schemas() -> None:
    """What is generated: the events as JSON Schema and Avro, and the pages of docs/reference."""


@schemas.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List every event with its version and the fields of its payload (`?`: may be left out).

    \b
    Examples:
      sluice schemas list
      sluice schemas list --json
    """
    listed: list[dict[str, Any]] = [
        {
            "event": spec.name,
            "domain": spec.domain,
            "version": spec.version,
            "payload": [
                name if field.is_required() else f"{name}?"
                for name, field in spec.payload.model_fields.items()
            ],
        }
        for spec in EVENTS.values()
    ]
    if as_json:
        echo_json(listed)
        return
    table = new_table(("domain", "event", "version", "payload"))
    for event in listed:
        add_row(table, (event["domain"], event["event"], event["version"], ", ".join(event["payload"])))
    console().print(table)


@schemas.command()
@out_option
@json_option
def render(*, out: Path, as_json: bool) -> None:
    """Write the generated files below a folder; what is already as it should be is left alone.

    \b
    Examples:
      sluice schemas render
      sluice schemas render --out /tmp/schemas
    """
    written = _differing(out)
    for path, content in written.items():
        _write(out / path, content)
    if as_json:
        echo_json({"written": list(written)})
    else:
        click.echo("\n".join(f"wrote {out / path}" for path in written) or "all files are up to date")


@schemas.command()
@out_option
@json_option
def check(*, out: Path, as_json: bool) -> None:
    """Say which generated files differ from the declarations; exit code 1 if any does.

    \b
    Examples:
      sluice schemas check
    """
    differing = _differing(out)
    if as_json:
        echo_json({"differing": list(differing)})
        if differing:
            raise click.exceptions.Exit(1)
    elif differing:
        raise Failure(f"not as declared: {', '.join(differing)}; `sluice schemas render` writes them again")
    else:
        click.echo("all files are up to date")


def _differing(folder: Path) -> dict[str, str]:
    """Path to content, of the files that are not as they should be."""
    from streams.cli.reference import pages  # noqa: PLC0415 - it loads all that is described

    sluice = cast(click.Group, click.get_current_context().find_root().command)
    return {path: content for path, content in pages(sluice).items() if _read(folder / path) != content}


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written ({error.strerror}); --out takes another folder") from None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None
