"""`sluice monitoring options|render|dashboards`: rules with one's own thresholds, and dashboards."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import click

from streams.cli.common import Failure, echo_json, json_option, list_options
from streams.cli.page import echo_page
from streams.cli.schemas_options import extension_option, loaded
from streams.cli.screen import screen_of
from streams.cli.table import Column, Kind, table
from streams.cli.tsv import echo_tsv
from streams.monitoring.files import NoSdkError, dashboards, monitoring_files
from streams.monitoring.options import Options
from streams.setting_groups.declared import SettingError

out_option = click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder."
)
selector_option = click.option(
    "--selector", metavar="MATCHERS", help="Which series are Sluice's; the same as --set selector=…."
)


@click.group()
def monitoring() -> None:
    """Alerts and dashboards, made of the declarations of metrics and views."""


@monitoring.command()
@list_options
def options(*, as_json: bool, as_tsv: bool) -> None:
    """List what `sluice monitoring render --set` takes: selectors, thresholds, receivers.

    \b
    Examples:
      sluice monitoring options
    """
    listed = [
        {"option": one.name, **{name: one.metadata[name] for name in ("default", "allowed", "doc")}}
        for one in fields(Options)
    ]
    if as_json:
        echo_json(listed)
    elif as_tsv:
        echo_tsv(list(listed[0]), listed)
    else:
        columns = (Column("option"), Column("default"), Column("is", Kind.TEXT))
        rows = [(one["option"], one["default"], one["doc"]) for one in listed]
        echo_page(table(columns, rows, screen_of(), least_needed=("default",)))


@monitoring.command()
@out_option
@selector_option
@click.option(
    "--set",
    "chosen",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another value of an option; may be repeated.",
)
@json_option
def render(*, out: Path, selector: str | None, chosen: tuple[str, ...], as_json: bool) -> None:
    """Write rules.yml and alertmanager.yml below a folder, as they lie in deploy/ with the defaults.

    `sluice monitoring options` lists what --set takes.

    \b
    Examples:
      sluice monitoring render --out /etc/sluice --selector 'namespace="sluice"'
      sluice monitoring render --out /etc/sluice --set lag_seconds=120 --set page_url=https://pager.example/v1
    """
    pairs = [_pair(one) for one in chosen]
    if selector is not None:
        pairs.append(("selector", selector))
    _write_all(out, monitoring_files(Options.load(pairs)), as_json=as_json)


@monitoring.command("dashboards")
@out_option
@selector_option
@extension_option
@json_option
def dashboards_(*, out: Path, selector: str | None, extension: str | None, as_json: bool) -> None:
    """Write Grafana's dashboards below a folder: those of deploy/, or that of an extension.

    An extension's has its events and the tiles of its views. It needs the extra `dashboards`.

    \b
    Examples:
      sluice monitoring dashboards --out deploy
      sluice monitoring dashboards --out deploy --extension acme_events
    """
    options = Options.load([] if selector is None else [("selector", selector)])
    try:
        files = dashboards(options, None if extension is None else loaded(extension))
    except NoSdkError as error:
        raise Failure(str(error)) from None
    _write_all(out, files, as_json=as_json)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise SettingError("--set", text, "NAME=VALUE, such as lag_seconds=120")
    return name, value


def _write_all(out: Path, files: dict[str, str], *, as_json: bool) -> None:
    for path, content in files.items():
        _write(out / path, content)
    if as_json:
        echo_json({"written": list(files)})
    else:
        click.echo("\n".join(f"wrote {out / path}" for path in files))


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written ({error.strerror}); --out takes another folder") from None
