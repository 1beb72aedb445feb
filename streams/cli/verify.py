"""`sluice verify`: proves that a live number is right, or shows where it is not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from streams import shutdown
from streams.cli.common import Failure, WrongUsage, api_option, echo_json, list_options, plain_logs
from streams.cli.meter import Meter
from streams.cli.page import echo_page
from streams.cli.screen import screen_of
from streams.cli.tsv import echo_tsv
from streams.cli.verify_page import verdict_page
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.verify.proof import Verdict
    from tables.spec.view import View

EVERY_VIEW = "all"
MEMBERS = ("view", "state", "rows", "records", "differences", "notes")


@click.command()
@click.argument("name", metavar="VIEW|all")
@click.option(
    "--window", default="1h", show_default=True, metavar="LENGTH", help="15m, 24h, 7d …; it ends now."
)
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until Bronze has the records, and then to take at most.",
)
@api_option
@list_options
def verify(*, name: str, window: str, seconds: float, url: str | None, as_json: bool, as_tsv: bool) -> None:
    """Prove a view: hold its live rows against SQL over exactly the records that they rest on.

    The answer is asked of the api; it says up to which offset of each partition it goes. Once Bronze has all
    of these records, the view's definition runs over them in DuckDB, with the same rules for duplicates and
    late events. SLUICE_… must be as the views workers have them.

    Exit code 1 where a row is different (QUALITY_CHECK_FAILED), or where there is no proof. In TSV there is a
    line for each view.

    \b
    Examples:
      sluice verify kpi_gmv
      sluice verify ops_recon_variance --window 24h --json
      sluice verify all
    """
    verdicts = _verified(Settings.load(), name, window, seconds, url)
    if as_json:
        found = [verdict.to_json() for verdict in verdicts]
        echo_json(found if name == EVERY_VIEW else found[0])
    elif as_tsv:
        echo_tsv(MEMBERS, map(_line, verdicts))
    else:
        screen = screen_of()
        for verdict in verdicts:
            echo_page(verdict_page(verdict, screen))
    different = [verdict.view.name for verdict in verdicts if verdict.state == "different"]
    if different:
        what = "not what the definition gives over the same records"
        raise Failure(f"QUALITY_CHECK_FAILED: {', '.join(different)}: {what} (docs/runbooks/wrong-number.md)")
    if any(verdict.state != "equal" for verdict in verdicts):
        raise click.exceptions.Exit(1)


def _line(verdict: Verdict) -> dict[str, Any]:
    """How many rows were compared, how many records looked at, how many measures are different."""
    return {
        "view": verdict.view.name,
        "state": verdict.state.value,
        "rows": None if verdict.answer is None else len(verdict.answer.rows),
        "records": verdict.records,
        "differences": len(verdict.differences),
        "notes": "; ".join(verdict.notes),
    }


def _verified(settings: Settings, name: str, window: str, seconds: float, url: str | None) -> list[Verdict]:
    """The verdict on each view. Raises `Failure`."""
    from agents.bronze.files import CorruptFileError  # noqa: PLC0415 - these take a moment
    from agents.bronze.store import StoreError  # noqa: PLC0415
    from streams.cli.asking import asking  # noqa: PLC0415
    from streams.client.configured import client_of  # noqa: PLC0415
    from streams.store.urls import bronze_store  # noqa: PLC0415
    from streams.verify.run import Verifier  # noqa: PLC0415

    views = _views(settings, name)
    plain_logs()
    meter = Meter()
    verifier = Verifier(settings, client_of(settings, url=url), bronze_store(settings), meter.show)

    async def each() -> list[Verdict]:
        taken = [await verifier.take(view, window) for view in views]
        return [await verifier.prove(one, seconds) for one in taken]

    try:
        with asking(), shutdown.interrupting_on_signals():  # SIGTERM, too, lets go of the records
            return asyncio.run(each())
    except (StoreError, CorruptFileError) as error:
        raise Failure(str(error)) from None
    finally:
        meter.end()


def _views(settings: Settings, name: str) -> list[View]:
    """Those that are meant. Raises `WrongUsage`."""
    from streams.chosen_views import chosen_views  # noqa: PLC0415
    from tables.query.values import did_you_mean  # noqa: PLC0415

    views = chosen_views(settings)
    if name == EVERY_VIEW:
        return list(views.values())
    if name not in views:
        raise WrongUsage(f"there is no view {name}{did_you_mean(name, views)} (SLUICE_VIEWS: sluice views)")
    return [views[name]]
