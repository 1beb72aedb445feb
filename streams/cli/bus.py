"""`sluice bus up|down`: the embedded Apache Kafka, for the demo and for a developer's machine."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import click

from streams import shutdown
from streams.embedded.broker import EmbeddedKafka, EmbeddedKafkaError
from streams.settings import Settings

DEFAULT_PORT = 9092
LEAVE_SECONDS = 45.0
"""Longer than a broker takes that has to be killed in the end: nothing is to be left behind."""


@click.group()
def bus() -> None:
    """Run the embedded Apache Kafka: one node with a folder and a port of its own."""


folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Its folder.  [default: kafka in SLUICE_DATA_DIR]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Report as one JSON object.")


@bus.command()
@folder_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="0: any free one.  [default: 9092, or the one it already runs on]",
)
@click.option("--foreground", is_flag=True, help="Stay, and stop it on Ctrl-C or SIGTERM.")
@json_option
def up(folder: Path | None, port: int | None, foreground: bool, as_json: bool) -> None:
    """Start it, unless it runs already, and return when it answers."""
    kafka = EmbeddedKafka(folder or _default_folder(), DEFAULT_PORT if port is None else port)
    if port is None and kafka.pid() is not None:
        kafka.port = 0
    if foreground:
        _stay(kafka, as_json=as_json)
    else:
        _report_up(kafka, started=_start(kafka), as_json=as_json)


@bus.command()
@folder_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Only if it runs on this port; 0 is any.  [default: any: there is one Kafka a folder]",
)
@json_option
def down(folder: Path | None, port: int | None, as_json: bool) -> None:
    """Stop it and wait until it has ended. Its records stay in the folder for the next `up`."""
    kafka = EmbeddedKafka(folder or _default_folder())
    try:
        running = kafka.running_port()
        if port and running not in (None, port):
            raise click.ClickException(
                f"the Kafka in {kafka.folder} runs on port {running}, not on {port}: it was not stopped "
                f"(--port {running}, or the --dir of the other one)"
            )
        stopped = kafka.stop()
    except EmbeddedKafkaError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({"stopped": stopped, "dir": str(kafka.folder)}))
    else:
        click.echo(f"Kafka in {kafka.folder} {'has stopped' if stopped else 'was not running'}")


def _stay(kafka: EmbeddedKafka, *, as_json: bool) -> None:
    try:
        shutdown.interrupt_on_signals(LEAVE_SECONDS)
        if not _start(kafka):
            raise click.ClickException(f"the Kafka in {kafka.folder} is already running, in the background")
        _report_up(kafka, started=True, as_json=as_json)
        code = kafka.wait()
    except KeyboardInterrupt:
        shutdown.end_soon(LEAVE_SECONDS)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        kafka.stop()
        return
    raise click.ClickException(f"Kafka ended by itself with code {code} (see {kafka.log_file})")


def _start(kafka: EmbeddedKafka) -> bool:
    try:
        return kafka.start()
    except EmbeddedKafkaError as error:
        raise click.ClickException(str(error)) from None


def _report_up(kafka: EmbeddedKafka, *, started: bool, as_json: bool) -> None:
    if as_json:
        report = {
            "bootstrap": kafka.bootstrap, "port": kafka.port, "pid": kafka.pid(), "dir": str(kafka.folder),
            "started": started,
        }  # fmt: skip
        click.echo(json.dumps(report))
    else:
        click.echo(f"Kafka answers at {kafka.bootstrap}{'' if started else ' (it was running already)'}")


def _default_folder() -> Path:
    return Settings.load().data_dir / "kafka"
