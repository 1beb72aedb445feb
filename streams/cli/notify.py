"""`sluice notify`: tells people of alarms; and shows who they are, before it is relied on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from streams.cli.common import Failure, echo_json, json_option, say
from streams.settings import SettingError, Settings

if TYPE_CHECKING:
    from streams.roles.notify.targets import Target


@click.command()
@click.option("--check", is_flag=True, help="Only read the file, and say who is told of what.")
@click.option("--test", is_flag=True, help="Only post a message that says that it is a test, to everybody.")
@json_option
def notify(*, check: bool, test: bool, as_json: bool) -> None:
    """Tell people of alarms: post them to the webhooks of SLUICE_NOTIFY_FILE, until SIGTERM or Ctrl-C.

    One process tells them; others that are started stand by. With --check or --test it ends at once.

    \b
    Examples:
      SLUICE_NOTIFY_FILE=notify.toml sluice notify --check
      SLUICE_NOTIFY_FILE=notify.toml sluice notify --test       does it arrive?
      SLUICE_NOTIFY_FILE=notify.toml sluice notify
    """
    if check and test:
        raise click.UsageError("--check and --test: take one of them")
    if not (check or test):
        if as_json:
            raise click.UsageError("--json is for --check and --test")
        from streams.cli.worker import run  # noqa: PLC0415

        run("streams.roles.notify.worker", "run_notify")
        return
    from streams.roles.notify.targets import read_targets  # noqa: PLC0415

    settings = Settings.load()
    if settings.notify_file is None:
        raise SettingError("SLUICE_NOTIFY_FILE", "", "a TOML file that says who is told (docs/alarms.md)")
    targets = read_targets(settings.notify_file)
    failures = asyncio.run(_test(targets)) if test else {}
    said = [{**_facts(target), **({"problem": failures[target.name]} if test else {})} for target in targets]
    if as_json:
        echo_json({"targets": said})
    else:
        for one in said:
            say(_line(one))
    if any(failures.values()):
        raise Failure("not everybody could be told")


async def _test(targets: list[Target]) -> dict[str, str | None]:
    """By target what went wrong, None where nothing did."""
    from streams.roles.notify.trial import post_trial  # noqa: PLC0415

    found = await asyncio.gather(*map(post_trial, targets))
    return {target.name: why for target, why in zip(targets, found, strict=True)}


def _facts(target: Target) -> dict[str, Any]:
    """Of a target what is no secret."""
    return {
        "name": target.name,
        "kind": target.kind,
        "severities": list(target.severities),
        "subjects": list(target.subjects),
        "cities": None if target.scope is None else sorted(target.scope),
    }


def _line(facts: dict[str, Any]) -> str:
    of = "of all cities and the pipeline" if facts["cities"] is None else f"of {', '.join(facts['cities'])}"
    about = f"{', '.join(facts['severities'])} about {', '.join(facts['subjects'])}, {of}"
    told = {} if "problem" not in facts else {"told": facts["problem"] or "it has taken the test"}
    return f"{facts['name']} ({facts['kind']}): {told['told'] if told else about}"
