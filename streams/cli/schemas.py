"""`sluice schemas list|render|check|validate`, …"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, cast

import click

from schemas.catalogue import EVENTS
from schemas.extensions import extensions
from streams.cli.common import Failure, echo_json, json_option, list_options
from streams.cli.page import echo_page
from streams.cli.schemas_options import declared, extension_option, loaded
from streams.cli.screen import screen_of
from streams.cli.table import Column, Kind, table
from streams.cli.tsv import echo_tsv
from streams.embedded.broker import ROOT

out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder.  [default: the checkout that this command is of; of an extension, this folder]",
)


_LATER = ("publish", "site", "validate")
"""Commands with modules of their own, imported when they are called: clients of stores and registries."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_LATER])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _LATER:
            return super().get_command(ctx, cmd_name)
        command = getattr(importlib.import_module(f"streams.cli.schemas_{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Commands)
def schemas() -> None:
    """The events' schemas: what is generated of them, and what producers and registries make of them."""


@schemas.command("list")
@list_options
def list_(*, as_json: bool, as_tsv: bool) -> None:
    """List every event with its version and the fields of its payload (`?`: may be left out).

    Behind its version are those that adapters take. --json also says which extension declares it, null for
    Sluice's own.

    \b
    Examples:
      sluice schemas list
      sluice schemas list --json
    """
    packages = {spec.name: one.package for one in extensions() for spec in one.events}
    listed: list[dict[str, Any]] = [
        {
            "event": spec.name,
            "domain": spec.domain,
            "version": spec.version,
            "adapted_from": spec.adapted_from,
            "extension": packages.get(spec.name),
            "payload": [
                name if field.is_required() else f"{name}?"
                for name, field in spec.payload.model_fields.items()
            ],
        }
        for spec in EVENTS.values()
    ]
    if as_json:
        echo_json(listed)
    elif as_tsv:
        echo_tsv(list(listed[0]), listed)
    else:
        rows = [
            (one["domain"], one["event"], ", ".join(map(str, (one["version"], *one["adapted_from"]))),
             ", ".join(one["payload"]))
            for one in listed
        ]  # fmt: skip
        columns = (Column("domain"), Column("event"), Column("versions"), Column("payload", Kind.TEXT))
        echo_page(table(columns, rows, screen_of(), least_needed=("domain",)))


@schemas.command()
@out_option
@extension_option
@json_option
def render(*, out: Path | None, extension: str | None, as_json: bool) -> None:
    """Write the generated files below a folder; what is already as it should be is left alone.

    They are of Sluice's own events and views, or with --extension of those of that package.

    \b
    Examples:
      sluice schemas render
      sluice schemas render --out /tmp/schemas
      sluice schemas render --extension acme_events --out ~/src/acme_events
    """
    out = _folder(out, extension)
    written = _differing(out, extension)
    for path, content in written.items():
        _write(out / path, content)
    if as_json:
        echo_json({"written": list(written)})
    else:
        click.echo("\n".join(f"wrote {out / path}" for path in written) or "all files are up to date")


@schemas.command()
@out_option
@extension_option
@click.option(
    "--against",
    metavar="REF|DIR|registry",
    help="Refuse what is not backward compatible with the schemas of a commit, a folder or the registry.",
)
@json_option
def check(*, out: Path | None, extension: str | None, against: str | None, as_json: bool) -> None:
    """Say which generated files differ from the declarations; exit code 1 if any does.

    With --against: say what of the declared events is not backward compatible, by event, field and rule, and
    exit with 1 if anything is. New consumers have to read all that was sent before. A new version of an event
    may be anything if an adapter leads to it from the former one. Rules: docs/producers.md.

    \b
    Examples:
      sluice schemas check
      sluice schemas check --against origin/main
      sluice schemas check --against registry --json
    """
    if against is not None:
        from streams.cli.schemas_check import check_against  # noqa: PLC0415 - it asks a registry, perhaps

        check_against(against, _folder(out, extension), declared(extension), as_json=as_json)
        return
    differing = _differing(_folder(out, extension), extension)
    if as_json:
        echo_json({"differing": list(differing)})
        if differing:
            raise click.exceptions.Exit(1)
    elif differing:
        again = "sluice schemas render" + (f" --extension {extension}" if extension else "")
        raise Failure(f"not as declared: {', '.join(differing)}; `{again}` writes them again")
    else:
        click.echo("all files are up to date")


def _folder(out: Path | None, extension: str | None) -> Path:
    return out or (ROOT if extension is None else Path())


def _differing(folder: Path, extension: str | None) -> dict[str, str]:
    """Path to content, of the files that are not as they should be."""
    return {path: content for path, content in _pages(extension).items() if _read(folder / path) != content}


def _pages(extension: str | None) -> dict[str, str]:
    from streams.cli.reference import pages, pages_of  # noqa: PLC0415 - it loads all that is described
    from streams.monitoring.files import NoSdkError  # noqa: PLC0415 - it looks at all metrics

    if extension is None:
        try:
            return pages(cast(click.Group, click.get_current_context().find_root().command))
        except NoSdkError as error:
            raise Failure(str(error)) from None
    return pages_of(loaded(extension))


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
