"""`sluice ingest http`: take events by HTTP."""

from __future__ import annotations

import re

import click

from streams.settings import Settings

_ROUTE = re.compile(r"[A-Za-z0-9_-]{1,64}")


@click.group()
def ingest() -> None:
    """Take events from where there is no Kafka client: over HTTP, from Stripe and from what posts JSON."""


@ingest.command()
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="NAME=FILE",
    help="Take what a mapping file maps at POST /v1/map/NAME. Any number of times.",
)
@click.option("--topic", help="Where to.  [default: the first of SLUICE_RAW_TOPICS]")
def http(*, maps: tuple[str, ...], topic: str | None) -> None:
    """Serve POST /v1/events, /v1/webhooks/stripe and /v1/map/… until SIGTERM or Ctrl-C.

    A request is answered once Kafka has acknowledged its events, with a verdict on each: 200 means that all
    of it is in Kafka, or not for us; 422 that something was refused, which was then not sent. Without
    SLUICE_INGEST_TOKENS_FILE it listens on a loopback host alone. Start as many as there is load for.

    \b
    Examples:
      sluice ingest http
      SLUICE_STRIPE_SECRET_FILE=stripe.secret sluice ingest http
      sluice ingest http --map orders=orders.yaml
    """
    settings = Settings.load()
    # Starlette and the mappings take half a second, which `--help` and a wrong setting need not wait for.
    from streams.cli.replay_sources import loaded  # noqa: PLC0415
    from streams.ingest.app import BUILT_IN  # noqa: PLC0415
    from streams.ingest.intake import Origin  # noqa: PLC0415
    from streams.ingest.server import serve  # noqa: PLC0415

    declared = {}
    for given in maps:
        name, _, path = given.partition("=")
        if not _ROUTE.fullmatch(name) or not path:
            raise click.UsageError(f"--map {given}: must be NAME=FILE, the name of A-Z a-z 0-9 _ -")
        if name in declared or name in BUILT_IN:
            why = "is built in" if name in BUILT_IN else "is there twice"
            raise click.UsageError(f"--map {given}: {name} {why}: take another name")
        mapping = loaded(path)
        declared[name] = Origin("map", mapping, mapping.delimiter)
    serve(settings, topic or settings.raw_topics[0], declared)
