"""How far a command is, on standard error: in place on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time

import click

from streams.cli.common import say
from streams.cli.screen import can_draw

QUIET_LINES_SECONDS = 5.0


class Meter:
    """One line at a time."""

    def __init__(self) -> None:
        self._live = can_draw(sys.stderr)
        self._at = time.monotonic()
        self._shown = False

    def show(self, text: str) -> None:
        """Show it in place of the line before."""
        if self._live:
            click.echo(f"\r\x1b[K{text}", err=True, nl=False)
            self._shown = True
        elif time.monotonic() - self._at >= QUIET_LINES_SECONDS:
            self._at = time.monotonic()
            say(text, err=True)

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._shown = False
