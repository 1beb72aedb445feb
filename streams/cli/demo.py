"""`sluice demo`: Kafka, all workers and the api on this machine, with real data, until Ctrl-C."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from streams import shutdown
from streams.cli.children import Child, last_lines, start, stop_all
from streams.cli.common import Failure, plain_logs
from streams.cli.demo_market import ANNOUNCED, CALM_GATES, SIMULATE, Announcements, say_gate_changes
from streams.cli.demo_next import SHOWN_VIEW, SHOWN_WINDOW, next_steps
from streams.cli.page import echo_page
from streams.cli.screen import screen_of
from streams.cli.views_table import view_page
from streams.client import ApiAwayError, ApiError, SluiceClient
from streams.client.configured import client_of
from streams.data_dir import writable_data_dir
from streams.embedded.broker import EmbeddedKafka, EmbeddedKafkaError
from streams.embedded.config import HOST, free_port, is_free
from streams.kafka import topics
from streams.kafka.availability import KafkaAwayError, while_it_answers
from streams.roles.gates.limits import check_gates
from streams.roles.supervisor import ROLES, sluice_command
from streams.setting_groups.kafka_security import no_security
from streams.setting_groups.rules import ALL
from streams.settings import Settings, child_environment
from streams.sources import replay
from streams.sources.files import InputFile
from streams.sources.fixture import FIXTURE
from streams.sources.online_retail import OnlineRetail
from streams.sources.rebase import newest, whole_seconds

POLL_SECONDS = 0.1
READY_SECONDS = 90.0
SILENT_SECONDS = 20.0
WATCH_SECONDS = 1.0
LEAVE_SECONDS = 45.0
"""Longer than workers and a broker take that have to be killed in the end: nothing is to be left behind."""


class _StoppedError(Exception):
    """Ctrl-C or SIGTERM came."""


@click.command()
def demo() -> None:
    """Start an embedded Kafka, the workers and the api; feed them real invoices, then a live marketplace.

    The workers are views, Bronze (to a local folder) and gates. All data is in SLUICE_DATA_DIR/demo and is
    removed at the next start. A port that is in use is replaced by a free one. Ctrl-C ends all of it.

    \b
    Examples:
      sluice demo
      SLUICE_HTTP_PORT=8081 sluice demo
    """
    settings = replace(Settings.load(), views=ALL)  # it shows all
    check_gates(settings)
    plain_logs()
    stop = _stop_on_signals()
    folder = writable_data_dir(settings) / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _alone(folder), ExitStack() as running:
            _Demo(settings, folder, stop, running).run()
    except EmbeddedKafkaError as error:
        raise Failure(str(error)) from None
    except _StoppedError:
        click.echo("all of it has ended")


def _stop_on_signals() -> threading.Event:
    """Set on the first signal; later ones change nothing, so that ending is never cut short."""
    stop = threading.Event()

    def leave_soon(*_: object) -> None:
        shutdown.end_soon(LEAVE_SECONDS)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave_soon)
    return stop


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two demos in one folder would tear down each other's Kafka."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = "end it first, or set SLUICE_DATA_DIR to another folder"
            raise Failure(f"a demo is already running in {folder}: {other}") from None
        yield


class _Demo:
    """One run, step by step. What it starts is stopped by `running`, in reverse order."""

    def __init__(self, settings: Settings, folder: Path, stop: threading.Event, running: ExitStack) -> None:
        self._settings = settings
        self._folder = folder
        self._stop = stop
        self._running = running
        self._children: list[Child] = []
        self._kafka = EmbeddedKafka(folder / "kafka")
        self._bronze = folder / "bronze"

    def run(self) -> None:
        """Start, feed, show and stay. Raises `_StoppedError`, `Failure` and `EmbeddedKafkaError`."""
        started = time.monotonic()
        http_port = self._port("the api", self._settings.http_port)
        click.echo(f"the console will be at http://{HOST}:{http_port}/ in less than a minute")
        self._start_kafka(http_port)
        settings, environment = self._choose_ports(http_port)
        self._step("making the topics", lambda: self._make_topics(settings))
        self._start_children(environment)
        sent = self._step("replaying three days of a gift shop, as if they ended now", self._replay, settings)
        client = client_of(settings)
        worker = SluiceClient(f"http://{HOST}:{settings.metrics_port}")
        self._step("waiting for the workers", lambda: self._wait(lambda: worker.ready()[0], "a worker"))
        self._step("waiting for the api", lambda: self._wait(lambda: client.ready()[0], "the api"))
        self._step("waiting for the views", lambda: self._wait(lambda: _folded(client) >= sent, "the views"))
        click.echo(f"ready after {time.monotonic() - started:.1f} s\n")
        answer = client.json(f"/v1/views/{SHOWN_VIEW}", [("window", SHOWN_WINDOW)])
        echo_page(view_page(answer, screen_of()))
        click.echo(next_steps(settings, client, worker, self._bronze, self._folder), nl=False)
        self._start_child("simulate", list(SIMULATE), environment)
        click.echo(ANNOUNCED)
        gates: dict[tuple[str, str], str] = {}
        announcements, opened = Announcements(), time.monotonic()
        while not self._stop.wait(WATCH_SECONDS):
            self._look_after()
            announcements.say_due(time.monotonic() - opened)
            say_gate_changes(client, gates)
        raise self._stopped()

    @staticmethod
    def _stopped() -> _StoppedError:
        click.echo("\nending …")
        return _StoppedError()

    def _step(self, what: str, do: Callable[..., object], *arguments: object) -> int:
        """Say what is done, do it, and say how long it took. Ctrl-C is followed between steps."""
        click.echo(f"{what} …", nl=False)
        started = time.monotonic()
        try:
            result = do(*arguments)
        except BaseException:
            click.echo()
            raise
        click.echo(f" {time.monotonic() - started:.1f} s")
        if self._stop.is_set():
            raise self._stopped()
        return result if isinstance(result, int) else 0

    def _start_kafka(self, taken: int) -> None:
        kafka = self._kafka
        kafka.stop()  # of a demo that was killed
        shutil.rmtree(kafka.folder, ignore_errors=True)
        shutil.rmtree(self._bronze, ignore_errors=True)  # it is of the Kafka that is gone
        kafka.port = self._port("Kafka", int(self._settings.kafka[0].rpartition(":")[2]), taken)
        self._running.callback(kafka.stop)
        self._step("starting Apache Kafka", kafka.start)

    def _choose_ports(self, http_port: int) -> tuple[Settings, dict[str, str]]:
        """The settings of this demo, and the environment that gives them to its processes."""
        metrics_port = self._metrics_port(http_port)
        environment = child_environment(
            {
                "SLUICE_KAFKA": self._kafka.bootstrap,
                **no_security(),
                "SLUICE_REPLICATION": "1",
                "SLUICE_VIEWS": "all",
                "SLUICE_HTTP_HOST": HOST,
                "SLUICE_HTTP_PORT": str(http_port),
                "SLUICE_METRICS_HOST": HOST,
                "SLUICE_METRICS_PORT": str(metrics_port),
                "SLUICE_BRONZE_URL": f"file://{self._bronze}",
                "SLUICE_BRONZE_MAX_SECONDS": "10",
                **CALM_GATES,
            }
        )
        return Settings.load(environment), environment

    def _port(self, whose: str, wanted: int, taken: int = 0) -> int:
        if wanted and wanted != taken and is_free(wanted):
            return wanted
        port = free_port(other_than=taken)
        if wanted:
            click.echo(f"port {wanted} is in use: {whose} takes {port}")
        return port

    def _metrics_port(self, http_port: int) -> int:
        """The first of as many free ports in a row as there are roles."""
        wanted = self._settings.metrics_port
        first = wanted or free_port()
        while not all(is_free(first + role) and first + role != http_port for role in range(len(ROLES))):
            first = free_port()
        if wanted not in (0, first):
            click.echo(
                f"port {wanted} or one of the next is in use: the workers' metrics take {first} and up"
            )
        return first

    def _make_topics(self, settings: Settings) -> None:
        try:
            asyncio.run(while_it_answers(settings, topics.create(settings), SILENT_SECONDS))
        except KafkaAwayError as error:
            self._look_after_kafka()
            raise Failure(str(error)) from None

    def _start_children(self, environment: dict[str, str]) -> None:
        self._running.callback(stop_all, self._children)
        self._start_child("worker all", ["worker", "all"], environment)
        self._start_child("api", ["api"], environment)

    def _start_child(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        command = sluice_command(*arguments)
        self._children.append(start(name, command, environment, self._folder / f"{arguments[0]}.log"))

    def _replay(self, settings: Settings) -> int:
        source = OnlineRetail(InputFile(str(FIXTURE)))
        latest = newest(source.records())
        assert latest is not None, "the fixture has events"
        plan = replay.Replay([source], settings.raw_topics[0], by=whole_seconds(latest, datetime.now(UTC)))
        return asyncio.run(self._replay_until_stopped(settings, plan)).acknowledged

    async def _replay_until_stopped(self, settings: Settings, plan: replay.Replay) -> replay.Progress:
        stop = asyncio.Event()

        async def follow() -> None:
            # Signals set an event of threads, and a broker that dies sets none.
            while not self._stop.is_set() and self._kafka.pid() is not None:  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
            stop.set()

        following = asyncio.create_task(follow())
        try:
            progress = await replay.run(settings, plan, stop, lambda _: None)
        finally:
            following.cancel()
        self._look_after_kafka()
        return progress

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._holds(condition):
            self._look_after()
            if self._stop.wait(POLL_SECONDS):
                raise self._stopped()
            if time.monotonic() > deadline:
                raise Failure(
                    f"{what} was not ready after {READY_SECONDS:.0f} s; the logs are in {self._folder}"
                )

    def _holds(self, condition: Callable[[], bool]) -> bool:
        try:
            return condition()
        except ApiAwayError:
            return False
        except ApiError as error:
            raise Failure(f"{error}; the logs are in {self._folder}") from None

    def _look_after(self) -> None:
        """Raise `Failure` if something that should run has ended, with the end of what it said."""
        self._look_after_kafka()  # first: it takes the others with it
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                raise _ended(f"{child.name} has ended with exit code {code}", child.log)

    def _look_after_kafka(self) -> None:
        """Raise `Failure` if the demo's Kafka is gone: without it nothing else can go on, or end well."""
        if self._kafka.pid() is None:
            raise _ended("the demo's Kafka has ended, or was stopped by a signal", self._kafka.log_file)


def _folded(client: SluiceClient) -> int:
    """How many records of the raw topics the view's answer rests on."""
    answer = client.json(f"/v1/views/{SHOWN_VIEW}")
    return sum(partition["checkpoint_offset"] or 0 for partition in answer["partitions"])


def _ended(what: str, log: Path) -> Failure:
    return Failure(f"{what}; the last lines of {log}:\n{last_lines(log)}")
