"""`sluice simulate`: a made-up marketplace as a source of events."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click

from streams import shutdown
from streams.cli.common import Failure, await_kafka, echo_json, json_option, plain_logs, timeout_option
from streams.cli.sending import Meter, until_signal
from streams.kafka.producer import RefusedError
from streams.settings import Settings
from streams.sources.market import Faults, Market, choose_cities, choose_scenarios
from streams.sources.market.scenarios import SCENARIOS
from streams.sources.market.simulation import DEFAULT_RATE
from streams.sources.replay import Progress, Replay
from streams.sources.simulate import (
    Horizon,
    Simulation,
    not_ahead_of_the_clock,
    opened,
    real_time,
    unpaced,
    write_ndjson,
)
from tables.query.values import parse_moment

ENDLESS_HISTORY = timedelta(days=1)
FILE_START = datetime(2026, 1, 1, tzinfo=UTC)
"""When a file's events begin: always the same, so that a seed is a file."""
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> float:
    """The type of an option that takes seconds, from `90`, `90s`, `15m`, `24h`, `7d`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"{text!r} is not a duration such as 90s, 15m, 24h or 7d")
    return float(match[1]) * _UNITS[match[2] or "s"]


def _option(name: str, kind: Any, text: str, **more: Any) -> Callable[[Any], Any]:
    return click.option(name, type=kind, help=text, **more)


def _scenarios_listed(command: click.Command) -> click.Command:
    """Lists the scenarios at the end of the help."""
    width = max(map(len, SCENARIOS))
    lines = [
        f"  {name:{width}}  {each.text} [{each.from_s:g}s-{each.until_s:g}s]"
        for name, each in SCENARIOS.items()
    ]
    command.help = "\n".join(
        [cleandoc(command.help or ""), "", "\b", "Scenarios, in seconds from the start:", *lines]
    )
    return command


_SHARE = click.FloatRange(0, 0.5)
_RATE = click.FloatRange(0, 1_000_000)
_DENSITY = click.FloatRange(0, 1_000_000, min_open=True)
_FILE = click.Path(dir_okay=False, allow_dash=True)


@_scenarios_listed
@click.command()
@_option("--rate", _RATE, "Events a second, as a day's mean. 0: as fast as possible.  [default: 200]",
         default=200.0)  # fmt: skip
@_option(
    "--density", _DENSITY, "With --rate 0: events a second of simulated time.  [default: 2000]", metavar="N"
)
@_option("--flat", None, "The same rate all day: no rhythm.", is_flag=True)
@_option("--seed", click.INT, "The same seed and start give the same events.", default=1, show_default=True)
@_option("--start", str, "Simulated time of the first event, RFC 3339, epoch ms, or now.  "
         "[default: now; --rate 0: so that it ends before now; --out: 2026-01-01T00:00:00Z]")  # fmt: skip
@_option("--duration", duration, "How much simulated time, such as 90s, 15m, 7d.  [default: endless]")
@_option("--count", click.IntRange(1), "How many records.  [default: endless]", metavar="N")
@_option("--cities", str, "How many, or which: london,oslo.  [default: 12]", default="12")
@_option("--late", _SHARE, "Share of events that come late, by seconds to minutes.", default=0.0)
@_option("--duplicates", _SHARE, "Share of events that are sent twice.", default=0.0)
@_option("--bad", _SHARE, "Share of records that are to be quarantined.", default=0.0)
@_option("--recon-leak", click.FloatRange(0, 1), "Share of payouts of 1.5 times their charge.", default=0.0)
@_option("--leak-after", duration, "Leak from here on, from the start.  [default: 0s]", default="0s")
@_option("--leak-until", duration, "Leak no longer.  [default: endless]")
@_option("--scenario", str, "An incident of those above, at its own time or at another, such as 30s-90s; "
         "repeatable, or a comma list.", multiple=True,
         metavar="NAME[@FROM-UNTIL]")  # fmt: skip
@_option("--out", _FILE, "Write NDJSON (.gz: packed; -: standard output), not to Kafka.", metavar="FILE")
@_option("--topic", str, "Where to.  [default: the first of SLUICE_RAW_TOPICS]")
@timeout_option
@json_option
def simulate(
    *, out: str | None, topic: str | None, timeout_seconds: float, as_json: bool, **options: Any
) -> None:
    """Simulate a marketplace: searches, bookings, payments, payouts, disputes, checks, campaigns, messages,
    studios, an experiment, and what goes wrong with them.

    Events go to Kafka as they happen, or with --rate 0 as fast as it takes them, until --count, --duration or
    Ctrl-C. Lifecycles that take hours in life take seconds here; after the first minute all are under way.
    The same options write the same file; in Kafka ids differ from run to run, so that no run repeats them.

    \b
    Examples:
      sluice simulate --rate 500 --bad 0.01 --late 0.02 --duplicates 0.01
      sluice simulate --recon-leak 0.5 --leak-after 60s --leak-until 90s
      sluice simulate --scenario bad-producer --scenario dispute-wave@30s-90s
      sluice simulate --rate 0 --count 1000000 --seed 7 --start 2026-03-01T00:00:00Z --out events.ndjson.gz
    """
    settings = Settings.load()
    plain_logs()
    endless = options["count"] is None and options["duration"] is None
    _check_together(out, topic, options, endless=endless)
    market = _market(settings, options, to_kafka=out is None)  # what is asked may be wrong: said at once
    if out is None:
        await_kafka(settings, timeout_seconds)
        market = _market(settings, options, to_kafka=True)  # it may begin now, which is later
    horizon: Horizon = real_time(market) if options["rate"] else unpaced if out else not_ahead_of_the_clock
    end_us = None if options["duration"] is None else market.start_us + int(options["duration"] * 1_000_000)
    simulation = Simulation(market, horizon, options["count"], end_us)
    if out is None:
        total, where = _send(settings, simulation, topic or settings.raw_topics[0])
    else:
        total, where = _write(simulation, out), out
    _tell(total, simulation, where, options["seed"], as_json=as_json)
    if total.interrupted and not endless:
        raise click.exceptions.Exit(1)


def _check_together(out: str | None, topic: str | None, options: dict[str, Any], *, endless: bool) -> None:
    if out is not None and topic is not None:
        raise click.UsageError("--topic goes with Kafka, not with --out")
    if options["density"] is not None and options["rate"]:
        raise click.UsageError("--density goes with --rate 0: otherwise it is --rate")
    if options["duration"] == 0:
        raise click.BadParameter("must be above 0", param_hint="'--duration'")
    if out not in {None, "-"} and not options["rate"] and endless:
        raise click.UsageError("--rate 0 fills the file without end: give --count or --duration")


def _market(settings: Settings, options: dict[str, Any], *, to_kafka: bool) -> Market:
    try:
        cities = choose_cities(options["cities"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--cities'") from None
    try:
        scenarios = choose_scenarios(options["scenario"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--scenario'") from None
    names = ("late", "duplicates", "bad", "recon_leak")
    try:
        faults = Faults(
            **{name: options[name] for name in names},
            leak_after_s=options["leak_after"], leak_until_s=options["leak_until"],
            scenarios=scenarios,
        )  # fmt: skip
    except ValueError as error:
        hint = "'--leak-until'" if "leak_until" in str(error) else "'--late', '--duplicates', '--bad'"
        raise click.BadParameter(str(error), param_hint=hint) from None
    rate = options["rate"] or options["density"] or DEFAULT_RATE
    start = _start(options, rate, to_kafka=to_kafka)
    if to_kafka and start > datetime.now(UTC):
        raise click.BadParameter(f"{options['start']} is in the future", param_hint="'--start'")
    try:
        return Market(
            options["seed"], start, cities, rate=rate, flat=options["flat"], faults=faults,
            max_event_bytes=settings.max_event_bytes,
        )  # fmt: skip
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--start'") from None


def _start(options: dict[str, Any], rate: float, *, to_kafka: bool) -> datetime:
    if options["start"] is not None and options["start"] != "now":
        try:
            return parse_moment(options["start"])
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="'--start'") from None
    if options["start"] is None and not to_kafka:
        return FILE_START
    now = datetime.now(UTC).replace(microsecond=0)
    if options["rate"] or options["start"] == "now":
        return now
    if options["duration"] is not None:
        return now - timedelta(seconds=options["duration"])
    if options["count"] is not None:  # twice the mean: the first minute is quieter, and so is the night
        return now - timedelta(seconds=120 + int(2 * options["count"] / rate))
    return now - ENDLESS_HISTORY


def _send(settings: Settings, simulation: Simulation, topic: str) -> tuple[Progress, str]:
    meter = Meter()
    try:
        total = asyncio.run(until_signal(settings, Replay([simulation], topic), meter))
    except RefusedError as error:
        meter.end()
        raise Failure(f"{error}{meter.so_far()}") from None
    meter.end()
    return total, topic


def _write(simulation: Simulation, out: str) -> Progress:
    stop: list[int] = []

    def handle(number: int, _: object) -> None:
        shutdown.end_soon()
        stop.append(number)
        signal.signal(number, signal.SIG_DFL)  # a second one ends it even while a pipe blocks

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    started, value_bytes = time.monotonic(), 0
    try:
        if out == "-":
            value_bytes = write_ndjson(simulation, sys.stdout.buffer, lambda: bool(stop))
        else:
            with opened(Path(out)) as stream:
                value_bytes = write_ndjson(simulation, stream, lambda: bool(stop))
    except BrokenPipeError:  # such as `| head`: whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
    except OSError as error:
        if simulation.taken == 0:
            problem = f"{out} cannot be written ({error.strerror})"
            raise click.BadParameter(problem, param_hint="'--out'") from None
        raise Failure(f"{out}: {error.strerror} after {simulation.taken:,} records") from None
    seconds = time.monotonic() - started
    return Progress(simulation.taken, simulation.taken, value_bytes, seconds, interrupted=bool(stop))


def _tell(total: Progress, simulation: Simulation, where: str, seed: int, *, as_json: bool) -> None:
    market = simulation.market
    start = datetime.fromtimestamp(market.start_us / 1_000_000, UTC).isoformat()
    if as_json:
        report = {
            "to": where, "seed": seed, "start": start, "records": total.acknowledged,
            "value_bytes": total.value_bytes, "seconds": round(total.seconds, 3),
            "events_per_second": round(total.rate, 1), "late": market.late, "duplicates": market.duplicates,
            "bad": dict(sorted(market.bad.items())), "leaks": market.leaks, "interrupted": total.interrupted,
            "scenarios": [
                {"name": each.name, "from_seconds": each.from_s, "until_seconds": each.until_s}
                for each in market.faults.scenarios
            ],
        }  # fmt: skip
        if where == "-":
            click.echo(json.dumps(report), err=True)
        else:
            echo_json(report)
        return
    stopped = "stopped: " if total.interrupted else ""
    text = (
        f"{stopped}{total.acknowledged:,} records to {where} in {total.seconds:,.1f} s ({total.rate:,.0f}/s)"
    )
    click.echo(f"{text}; the same again: with --seed {seed} --start {start}", err=where == "-")
    names = ("late", "sent twice", "bad", "leaking payouts")
    counts = (market.late, market.duplicates, market.bad.total(), market.leaks)
    shown = ", ".join(f"{count:,} {name}" for name, count in zip(names, counts, strict=True) if count)
    if shown:
        click.echo(f"among them: {shown}", err=where == "-")
