"""`sluice alarms ack`: somebody takes an alarm on."""

from __future__ import annotations

import click

from streams.cli.asking import asking
from streams.cli.common import api_option, echo_json, json_option, say
from streams.cli.person import user
from streams.client.configured import client_of
from streams.settings import Settings


@click.command()
@click.argument("alarm_id")
@click.option("--reason", required=True, help="What is being done about it.")
@api_option
@json_option
def ack(*, alarm_id: str, reason: str, url: str | None, as_json: bool) -> None:
    """Take the open alarm ALARM_ID on; for the role operator. `sluice alarms --open` has the ids.

    Who has and why is on ops.acks and in `sluice alarms`; PagerDuty is told, and reminders of it end.

    \b
    Example:
      sluice alarms ack 'lag/sluice-views/events.raw/3' --reason "restarting the worker"
    """
    client = client_of(Settings.load(), url=url)
    with asking():
        made = client.acknowledge_alarm(alarm_id, reason=reason, by=user())
    if as_json:
        echo_json(made)
    else:
        say(f"{made['alarm_id']}: taken on by {made['by']}")
