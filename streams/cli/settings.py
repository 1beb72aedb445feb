"""`sluice settings`: every setting, with its value of now."""

from __future__ import annotations

import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from streams.cli.common import echo_json, json_option
from streams.plain_text import plain
from streams.settings import PREFIX, Settings

PAGE_HEAD = """\
# Settings

Every setting is an environment variable. A value that is not allowed ends a command with exit code 2 and one
line that names the variable, its value and what is allowed. `sluice settings` shows the values of now.

Made by `sluice settings --markdown`; changes belong in `streams/settings.py`.

| Variable | Default | Allowed | What it is |
|---|---|---|---|
"""


@click.command()
@json_option
@click.option("--markdown", is_flag=True, help="The page docs/reference/settings.md, without values.")
def settings(*, as_json: bool, markdown: bool) -> None:
    """List every setting: its variable, its value, its default, what is allowed.

    Of a password only the file is shown.

    \b
    Examples:
      sluice settings
      SLUICE_KAFKA=broker:9092 sluice settings --json
    """
    if markdown:
        click.echo(page(), nl=False)
        return
    listed = listing(Settings.load())
    if as_json:
        echo_json(listed)
    else:
        click.echo("\n".join(_block(setting) for setting in listed))


def listing(loaded: Settings) -> list[dict[str, Any]]:
    """Every setting in the order of its declaration; `value` and `default` as in the environment."""
    return [
        {
            "variable": PREFIX + setting.name.upper(),
            "value": _text(getattr(loaded, setting.name)),
            "default": setting.metadata["default"],
            "allowed": setting.metadata["allowed"],
            "doc": setting.metadata["doc"],
        }
        for setting in fields(Settings)
    ]


def page() -> str:
    """The reference page in Markdown; the same on every machine."""
    lines = []
    for setting in fields(Settings):
        about = setting.metadata
        default = f"`{about['default']}`" if about["default"] else "(empty)"
        cells = (f"`{PREFIX}{setting.name.upper()}`", default, about["allowed"], about["doc"])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return PAGE_HEAD + "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, Path | str) else f"{value}"


def _block(setting: dict[str, Any]) -> str:
    value = click.style(plain(setting["value"]), bold=True)
    if setting["value"] != setting["default"]:
        value += f"   (default {setting['default']!r})"
    about = f"{setting['doc']}; allowed: {setting['allowed']}"
    return f"{setting['variable']}={value}\n{textwrap.indent(textwrap.fill(about, 96), '    ')}"
