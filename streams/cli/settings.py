"""`sluice settings`: every setting, with its value of now."""

from __future__ import annotations

import textwrap
from dataclasses import fields
from typing import Any

import click

from streams.cli.common import echo_json, json_option
from streams.plain_text import plain
from streams.settings import PREFIX, Settings


@click.command()
@json_option
def settings(*, as_json: bool) -> None:
    """List every setting: its variable, its value, its default, what is allowed.

    Of a password only the file is shown.

    \b
    Examples:
      sluice settings
      SLUICE_KAFKA=broker:9092 sluice settings --json
    """
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


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join("=".join(one) if isinstance(one, tuple) else str(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _block(setting: dict[str, Any]) -> str:
    value = click.style(plain(setting["value"]), bold=True)
    if setting["value"] != setting["default"]:
        value += f"   (default {setting['default']!r})"
    about = f"{setting['doc']}; allowed: {setting['allowed']}"
    return f"{setting['variable']}={value}\n{textwrap.indent(textwrap.fill(about, 96), '    ')}"
