"""`sluice quarantine dismiss`."""

from __future__ import annotations

from typing import Any

import click

from agents.quarantine.audit import DISMISSED, MOST_REASON, OPEN, REPLAYED
from agents.quarantine.record import Position
from streams.cli.common import echo_json, json_option, say, timeout_option
from streams.cli.quarantine_selection import Chosen, ask, filters, position
from streams.cli.quarantine_work import Meter, Selection, working
from streams.settings import Settings
from streams.sources.quarantine_rehearsal import count
from streams.sources.quarantine_replay import Outcome, Work, send_again


def because(text: str) -> str:
    """The type of `--because`: it is in the audit for ever, on one line."""
    found = " ".join(text.split())
    if not 0 < len(found) <= MOST_REASON:
        raise click.BadParameter(f"it has to be 1 to {MOST_REASON} characters")
    return found


@click.command()
@click.argument("ids", nargs=-1, type=position, metavar="[ID…]")
@filters
@click.option("--all", "everything", is_flag=True, help="Every open record.")
@click.option("--because", type=because, required=True, metavar="TEXT", help="Why; it is kept in the audit.")
@click.option("--dry-run", is_flag=True, help="Say how many would be dismissed, and dismiss none.")
@timeout_option
@json_option
def dismiss(
    *, ids: tuple[Position, ...], everything: bool, because: str, dry_run: bool, timeout_seconds: float,
    as_json: bool, **filters: Any,
) -> None:  # fmt: skip
    """Mark open bad records as dismissed: they are not to be sent again. Nothing is deleted.

    `sluice quarantine replay --again` sends one even so. With --state replayed it dismisses records that were
    replayed in vain. The reason must not name what is personal.

    \b
    Examples:
      sluice quarantine dismiss 2:17 --because "a test of the producer's"
      sluice quarantine dismiss --source load-test --because "load test of 1 March"
    """
    settings = Settings.load()
    chosen = Chosen(**filters)
    selection = Selection.of(settings, ids, everything, chosen)
    if DISMISSED in (chosen.states or ()):
        raise click.UsageError("--state dismissed: such a record is dismissed already")
    work = Work(chosen.states or frozenset((OPEN,)), dismissed_because=because)
    meter = Meter("dismissed")
    outcome = Outcome(tell=meter)
    records = selection.records(whole=False)
    act = count if dry_run else send_again
    with working(outcome, meter, "dismissed", dry_run=dry_run):
        ask(settings, lambda: act(settings, records, outcome, work), timeout_seconds)
    warnings = selection.warnings(outcome)
    done, passed = (
        outcome.sent.total(),
        outcome.passed.total() - outcome.passed[REPLAYED] * (REPLAYED in work.states),
    )
    if as_json:
        answer: dict[str, Any] = {"dry_run": True, "would_dismiss": done} if dry_run else {"dismissed": done}
        echo_json(answer | {"passed_over": passed} | ({"warnings": warnings} if warnings else {}))
        return
    over = f"; {passed:,} passed over, as they are not open" if passed else ""
    say(f"{'would be dismissed' if dry_run else 'dismissed'}: {done:,}{over}")
