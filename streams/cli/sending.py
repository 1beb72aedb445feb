"""What the commands that send events share: they end on a signal and show how far they are."""

from __future__ import annotations

import sys

import click

from streams import shutdown
from streams.cli.screen import can_draw
from streams.settings import Settings
from streams.sources.replay import Progress, Replay, run

SILENCE_SECONDS = 3.0


async def until_signal(settings: Settings, plan: Replay, meter: Meter) -> Progress:
    """Send what the plan has, until its end, Ctrl-C or SIGTERM. Raises as `replay.run` does."""
    with shutdown.stopping_on_signals() as stop:
        return await run(settings, plan, stop, meter)


class Meter:
    """The progress line on standard error: in place on a terminal, else a line now and then."""

    QUIET_LINES_SECONDS = 5.0

    def __init__(self) -> None:
        self._live = can_draw(sys.stderr)
        self._last_line = 0.0
        self._progress: Progress | None = None
        self._silent = False

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        self._progress = progress
        silent = progress.unanswered_seconds > SILENCE_SECONDS
        if self._live:
            click.echo(f"\r\x1b[K{self._text(progress, silent=silent)}", err=True, nl=False)
        elif progress.seconds - self._last_line >= self.QUIET_LINES_SECONDS or silent > self._silent:
            self._last_line = progress.seconds
            click.echo(self._text(progress, silent=silent), err=True)
        self._silent = silent

    @staticmethod
    def _text(progress: Progress, *, silent: bool) -> str:
        text = f"{progress.acknowledged:,} acknowledged, {progress.rate:,.0f}/s"
        if progress.fraction:
            left = progress.seconds / progress.fraction - progress.seconds
            text += f", {progress.fraction:.0%} read, about {left:,.0f} s left"
        if silent:
            text += f"; Kafka has not answered for {progress.unanswered_seconds:.0f} s, waiting"
        return text

    def end(self) -> None:
        """Leave the progress line."""
        if self._live and self._progress is not None:
            click.echo("\r\x1b[K", err=True, nl=False)

    def so_far(self) -> str:
        """What to add to an error."""
        if self._progress is None:
            return ""
        return f" ({self._progress.acknowledged:,} events before it are in Kafka)"
