"""What `sluice quarantine replay` and `dismiss` share: which records, progress, what is told at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import click

from agents.quarantine.audit import DISMISSED, REPLAYED
from agents.quarantine.record import Position, QuarantineRecord
from agents.quarantine.repair import Repair
from streams.cli.common import Failure, say
from streams.cli.quarantine_selection import Chosen
from streams.cli.screen import can_draw
from streams.plain_text import plain
from streams.settings import Settings
from streams.sources.quarantine_chosen import Cut, all_chosen, by_id, why_cut
from streams.sources.quarantine_replay import Outcome

SECONDS = 0.2


class Selection(NamedTuple):
    """The records that a command is to work on: at these places, or those that are chosen."""

    settings: Settings
    ids: Sequence[Position]
    chosen: Chosen
    cut: Cut

    @classmethod
    def of(cls, settings: Settings, ids: Sequence[Position], everything: bool, chosen: Chosen) -> Selection:
        """Exactly one way to say which. Raises `click.UsageError`."""
        if sum((bool(ids), chosen.given, everything)) != 1:
            raise click.UsageError("say which records: IDs, or filters such as --reason, or --all")
        return cls(settings, ids, chosen, Cut())

    def records(self, repair: Repair | None = None, *, whole: bool = True) -> AsyncIterator[QuarantineRecord]:
        """They, one by one: `whole` ones alone, or, by their places, those that a repair makes whole."""
        if self.ids:
            return by_id(self.settings, self.ids, repair.edited if repair else None, whole=whole)
        return all_chosen(self.settings, self.chosen, self.cut if whole else None)

    def warnings(self, outcome: Outcome) -> list[str]:
        """What is to be told besides, each on standard error too."""
        warnings = outcome.warnings + ([] if self.ids else self.chosen.warnings())
        for warning in warnings:
            say(f"sluice: {warning}", err=True)
        return warnings


class Meter:
    """How many records are done, in one line of a terminal; elsewhere nothing. `doing`: such as `sent`."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._live = can_draw(sys.stderr)
        self._shown_at = 0.0

    def __call__(self, done: int) -> None:
        """Show it, now and then."""
        now = time.monotonic()
        if self._live and now - self._shown_at >= SECONDS:
            self._shown_at = now
            click.echo(f"\r\x1b[K{done:,} {plain(self._doing)}", err=True, nl=False)

    def end(self) -> None:
        """Leave the line."""
        if self._shown_at:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._shown_at = 0.0


@contextmanager
def working(outcome: Outcome, meter: Meter, done: str, *, dry_run: bool) -> Iterator[None]:
    """A failure in it says how many were `done` before that, such as `sent`; the meter leaves its line."""
    try:
        yield
    except Failure as error:
        if outcome.sent and not dry_run:
            error.message += f" ({outcome.sent.total():,} were {done} before that)"
        raise
    finally:
        meter.end()


def passed_over(outcome: Outcome, *, again: bool) -> str:
    """What is told of records that were done with before."""
    counts = [(outcome.passed[state], state) for state in (REPLAYED, DISMISSED)]
    before = " and ".join(f"{count:,} {state}" for count, state in counts if count)
    if not before:
        return ""
    if again:
        return f" (of them {before} before)"
    over = [f"{count:,} passed over, as they were {state} before" for count, state in counts if count]
    return f"; {'; '.join(over)} (--again sends them too)"


def report(outcome: Outcome, cut: Cut, warnings: list[str]) -> dict[str, Any]:
    """What a report has of the records that were left out."""
    found: dict[str, Any] = {"not_sent": cut.count} if cut.count else {}
    if outcome.passed[DISMISSED]:
        found["dismissed_before"] = outcome.passed[DISMISSED]
    if outcome.unrepaired:
        found["not_repaired"] = [
            {"why": why, "records": count, "first": str(first)}
            for why, (count, first) in outcome.unrepaired.items()
        ]
    return found | ({"warnings": warnings} if warnings else {})


def fail_for_left_out(outcome: Outcome, cut: Cut, verb: str) -> None:
    """Raise `Failure` if records could not be worked on. `verb`: such as `sent again`."""
    said = [
        f"{count:,} not {verb}, as they could not be repaired, the first is {first}: {why}"
        for why, (count, first) in outcome.unrepaired.items()
    ]
    if cut.first is not None:
        said.append(f"{cut.count:,} not {verb}, as they are not whole: {why_cut(cut.first)}")
    if said:
        raise Failure("; ".join(said))
