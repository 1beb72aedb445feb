"""`sluice gates override`: a person's decision about one gate, for a time."""

from __future__ import annotations

import re

import click

from streams.cli.asking import asking
from streams.cli.common import api_option, echo_json, json_option
from streams.cli.person import user
from streams.client.configured import client_of
from streams.settings import Settings

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


class _Duration(click.ParamType):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds."""
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail("must be a number with s, m, h or d, such as 2h", param, ctx)
        return int(found[1]) * UNITS[found[2]]


@click.command()
@click.argument("subject", metavar="GATE")
@click.option("--open", "decision", flag_value="open", help="Open it, whatever it measures.")
@click.option("--close", "decision", flag_value="closed", help="Close it.")
@click.option(
    "--end", "decision", flag_value="none", help="End an override: what the gate's rule says counts."
)
@click.option("--reason", required=True, help="Why: it is in the gate's record and in the alarm.")
@click.option("--for", "seconds", type=_Duration(), default="0s", help="How long, such as 2h; 24h at most.")
@click.option("--even-stale", is_flag=True, help="Open it even while its figures can't be trusted.")
@api_option
@json_option
def override(
    *, subject: str, decision: str | None, reason: str, seconds: int, even_stale: bool, url: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Open or close GATE (recon/london|GBP) for a time, or end that; for the role operator.

    The decision is on ops.overrides, in the gate's record and an alarm, with who, why and until when. It ends
    by itself. A stale gate is not opened by it without --even-stale.

    \b
    Examples:
      sluice gates override 'recon/london|GBP' --close --reason "double payouts" --for 2h
      sluice gates override 'recon/london|GBP' --end --reason "mended"
    """
    if decision is None:
        raise click.UsageError("say --open, --close or --end")
    if decision != "none" and not seconds:
        raise click.UsageError("--for says for how long it is to be so, such as --for 2h")
    client = client_of(Settings.load(), url=url)
    with asking():
        made = client.override_gate(
            subject, decision, reason=reason, seconds=seconds, even_stale=even_stale, by=user()
        )
    if as_json:
        echo_json(made)
    elif decision == "none":
        click.echo(f"{made['subject']}: what its rule says counts again")
    else:
        click.echo(f"{made['subject']}: {made['decision']} until {made['until']}, decided by {made['by']}")
