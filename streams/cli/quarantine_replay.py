"""`sluice quarantine replay`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from agents.quarantine.audit import OPEN, STATES
from agents.quarantine.record import Position
from agents.quarantine.repair import Repair, Setting
from streams.cli.common import Failure, echo_json, json_option, say, timeout_option
from streams.cli.quarantine_selection import Chosen, Sent, ask, filters, position
from streams.cli.quarantine_work import Meter, Selection, fail_for_left_out, passed_over, report, working
from streams.settings import Settings
from streams.sources.quarantine_edits import Edits, EditsError
from streams.sources.quarantine_rehearsal import Verdicts, rehearse
from streams.sources.quarantine_replay import Outcome, Work, send_again

MOST_SHOWN = 10


def setting(text: str) -> Setting:
    """The type of `--set`."""
    try:
        return Setting.of(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("ids", nargs=-1, type=position, metavar="[ID…]")
@filters
@click.option(
    "--adapter", type=Sent.of, metavar="EVENT:VERSION",
    help="Only events of this version that were refused for it, and that an adapter now takes.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Every record.")
@click.option("--again", is_flag=True, help="Those too that were replayed or dismissed before.")
@click.option(
    "--set", "settings_", type=setting, multiple=True, metavar="PATH=VALUE",
    help="Set a member first, such as payload.currency=EUR. JSON if it is any, else a text; repeatable.",
)  # fmt: skip
@click.option(
    "--edit", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
    help="Send these records as they are in a file of `sluice quarantine list --edit-template`.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be sent and would pass now; send nothing.")
@timeout_option
@json_option
def replay(
    *, ids: tuple[Position, ...], everything: bool, again: bool, settings_: tuple[Setting, ...],
    edit: Path | None, dry_run: bool, timeout_seconds: float, as_json: bool, **filters: Any,
) -> None:  # fmt: skip
    """Send bad records again, to the topic and partition they came from: byte for byte, or repaired.

    They have their own key and event_id, and their producer's own headers. The records stay in the
    quarantine too, marked as replayed: a replay passes over such records, so one that was interrupted,
    however it was, can be begun again. Only one can run at a time: a second one ends the first. Records that
    are still bad come back as new ones. One that was too large for the quarantine is not there to be sent:
    among chosen ones it is left out, like one that cannot be repaired, and the exit code is then 1.

    \b
    Examples:
      sluice quarantine replay 2:17 3:4
      sluice quarantine replay --reason unknown_event --dry-run
      sluice quarantine replay --adapter payout.paid:2
      sluice quarantine replay --source billing --field currency --set payload.currency=EUR
      sluice quarantine list --field due_at --edit-template > bad.ndjson   # then edit it
      sluice quarantine replay --edit bad.ndjson
    """
    settings = Settings.load()
    chosen = Chosen(**filters)
    with ExitStack() as opened:
        repair = Repair(settings_)
        if edit is not None:
            if ids or chosen.given or everything:
                raise click.UsageError(
                    "--edit says which records: those in the file; leave out IDs and filters"
                )
            edits = _opened(opened, edit)
            repair, ids = Repair(settings_, edits.of), tuple(edits.places)
        selection = Selection.of(settings, ids, everything, chosen)
        states = frozenset(STATES) if again else chosen.states or frozenset((OPEN,))
        _run(selection, Work(states, repair), timeout_seconds, again=again, dry_run=dry_run, as_json=as_json)


def _opened(stack: ExitStack, path: Path) -> Edits:
    try:
        return stack.enter_context(Edits(path))
    except EditsError as error:
        raise Failure(str(error)) from None


def _run(
    selection: Selection, work: Work, seconds: float, *, again: bool, dry_run: bool, as_json: bool
) -> None:
    meter = Meter("judged" if dry_run else "sent")
    outcome = Outcome(tell=meter)
    records = selection.records(work.repair)
    verdicts = None
    with working(outcome, meter, "sent", dry_run=dry_run):
        if dry_run:
            verdicts = ask(
                selection.settings, lambda: rehearse(selection.settings, records, outcome, work), seconds
            )
        else:
            ask(selection.settings, lambda: send_again(selection.settings, records, outcome, work), seconds)
    warnings = selection.warnings(outcome)
    if as_json:
        echo_json(_report(outcome, verdicts, again=again) | report(outcome, selection.cut, warnings))
    else:
        say(_told(selection, outcome, dry_run=dry_run, again=again))
        if verdicts is not None and outcome.sent:
            say(_judged(verdicts))
    fail_for_left_out(outcome, selection.cut, "sent again")


def _report(outcome: Outcome, verdicts: Verdicts | None, *, again: bool) -> dict[str, Any]:
    sent = outcome.sent.total()
    answer: dict[str, Any] = {"sent": sent}
    if verdicts is not None:
        answer = {
            "dry_run": True,
            "would_send": sent,
            "would_pass": verdicts.passing,
            "would_fail": [
                {"reason": reason, "field": field, "records": count}
                for (reason, field), count in verdicts.failing.most_common()
            ],
        }
    return answer | {
        "topics": dict(outcome.sent),
        "replayed_before": outcome.replayed_before,
        "passed_over": 0 if again else outcome.passed.total(),
    }


def _told(selection: Selection, outcome: Outcome, *, dry_run: bool, again: bool) -> str:
    sent = ", ".join(f"{count:,} to {topic}" for topic, count in outcome.sent.items())
    if not (sent or selection.cut.count or outcome.passed.total() or outcome.unrepaired):
        return "no such record in the quarantine"
    said = f"{'would be sent' if dry_run else 'sent'} again: {sent or 'none'}"
    return said + passed_over(outcome, again=again)


def _judged(verdicts: Verdicts) -> str:
    failing = verdicts.failing.most_common()
    why = [
        f"{reason} {field} {count:,}".replace("  ", " ") for (reason, field), count in failing[:MOST_SHOWN]
    ]
    if failing[MOST_SHOWN:]:
        why.append(f"{len(failing) - MOST_SHOWN} more reasons")
    text = f"{verdicts.passing:,} would pass now"
    return text + (f", {verdicts.failing.total():,} would not: {', '.join(why)}" if failing else "")
