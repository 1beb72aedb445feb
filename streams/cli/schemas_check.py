"""`sluice schemas check --against …`: whether new consumers can read what was sent before."""

from __future__ import annotations

from pathlib import Path

import click

from schemas.compatibility.changes import Change, Former, changes
from schemas.spec import EventSpec
from streams.cli.common import Failure, echo_json
from streams.cli.page import echo_page
from streams.cli.schemas_publish import registered
from streams.cli.screen import screen_of
from streams.cli.table import Column, Kind, table
from streams.schema_files.former import FormerError, of_commit, of_folder

REGISTRY = "registry"


def check_against(against: str, folder: Path, specs: dict[str, EventSpec], *, as_json: bool) -> None:
    """Tell what is not backward compatible. Raises `Failure` if anything is.

    `against`: a folder, a commit of the checkout that `folder` is in, or `registry`.
    """
    former = _former(against, folder, specs)
    found = changes(specs, former)
    if as_json:
        refused = [change._asdict() | {"rule": change.rule.value} for change in found]
        echo_json({"against": against, "compared": len(former), "refused": refused})
        if found:
            raise click.exceptions.Exit(1)
        return
    new = len(specs.keys() - former.keys())
    if not found:
        click.echo(
            f"{len(former)} events are compatible with {against}" + (f", {new} are new" if new else "")
        )
        return
    _show(found)
    events = len({change.event for change in found})
    raise Failure(
        f"{len(found)} changes of {events} events are not backward compatible with {against}: take them back,"
        " or declare a new version with an adapter"
    )


def _show(found: list[Change]) -> None:
    columns = (Column("event"), Column("field"), Column("rule"), Column("what", Kind.TEXT))
    echo_page(table(columns, [(one.event, one.field, one.rule, one.detail) for one in found], screen_of()))


def _former(against: str, folder: Path, specs: dict[str, EventSpec]) -> dict[str, Former]:
    try:
        if against == REGISTRY:
            return registered(specs)
        if Path(against).is_dir():
            return of_folder(Path(against))
        return of_commit(against, folder)
    except FormerError as error:
        raise Failure(str(error)) from None
