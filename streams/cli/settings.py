"""`sluice settings`: every setting, with its value of now."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import click

from streams.cli.common import echo_json, list_options
from streams.cli.page import Page, echo_page, prose
from streams.cli.screen import Screen, screen_of
from streams.cli.tsv import echo_tsv
from streams.plain_text import plain
from streams.settings import PREFIX, Settings


@click.command()
@list_options
def settings(*, as_json: bool, as_tsv: bool) -> None:
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
    elif as_tsv:
        echo_tsv(("variable", "value", "default", "allowed", "doc"), listed)
    else:
        screen = screen_of()
        echo_page(Page(rows=[_block(setting, screen) for setting in listed]))


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


def _block(setting: dict[str, Any], screen: Screen) -> list[str]:
    line = f"{setting['variable']}={screen.styled(plain(setting['value']), 'name')}"
    if setting["value"] != setting["default"]:
        line += f"   (default {setting['default']!r})"
    return [line, *prose(f"{setting['doc']}; allowed: {setting['allowed']}", screen, indent=4)]
