"""What every worker role has around it: logs, metrics, health, signals, and the topics it must wait for."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from streams import logs, metrics
from streams.bus import health as health_server
from streams.bus import topics
from streams.bus.client import FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS
from streams.bus.health import Health
from streams.settings import Settings

log = logging.getLogger(__name__)

LEAVE_SECONDS = 9.0
YOUNG_OBJECTS = 5_000
"""How many new objects make Python's garbage collector look at them. What is made of a slice of records lives
for a moment; at the default of 700 the collector goes through nearly every slice, and finds nothing."""


class CannotStartError(Exception):
    """Something outside has to be mended before this worker can run; `str()` says what and how."""


@contextmanager
def serving(settings: Settings) -> Iterator[Health]:
    """Logs set up, and metrics and health served while it lasts. Raises `CannotStartError`."""
    gc.set_threshold(YOUNG_OBJECTS)
    logs.configure(settings.log_level, emf=bool(settings.emf))
    metrics.BUILD_INFO.labels(version("sluice")).set(1)
    health = Health()
    try:
        server = health_server.serve(settings.metrics_host, settings.metrics_port, health)
    except OSError as error:
        raise CannotStartError(
            f"SLUICE_METRICS_PORT={settings.metrics_port} on {settings.metrics_host}: {error.strerror};"
            " set another port, or 0 for any free one"
        ) from None
    log.info("metrics on http://%s:%d/metrics", settings.metrics_host, server.server_port)
    try:
        yield health
    finally:
        server.shutdown()
        server.server_close()


async def topics_there(settings: Settings, health: Health, stop: asyncio.Event) -> bool:
    """Wait for Kafka and for the topics; False if `stop` was set first. Raises `CannotStartError`."""
    preflight = asyncio.create_task(_wait_for_topics(settings, health))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({preflight, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not preflight.done():
        preflight.cancel()
        return False
    preflight.result()
    return True


async def _wait_for_topics(settings: Settings, health: Health) -> None:
    """Wait for Kafka, and for the topics to be there; refuse topics that are not as they must be."""
    backoff = FIRST_BACKOFF_SECONDS
    while True:
        health.waiting_for = f"Kafka at {','.join(settings.kafka)}"
        found = await topics.inspect(settings)
        missing = [finding for finding in found if finding.missing]
        wrong = [finding for finding in found if not finding.missing and not finding.bearable]
        if wrong:
            raise CannotStartError("\n".join(f"topic {f.topic} {f.problem}: {f.mend}" for f in wrong))
        if not missing:
            for finding in found:
                log.warning("topic %s %s: %s", finding.topic, finding.problem, finding.mend)
            health.waiting_for = "an assignment"
            return
        names = ", ".join(finding.topic for finding in missing)
        health.waiting_for = f"topics: {names}"
        log.warning(
            "topics are missing: %s; `sluice topics create` makes them; next look in %.1f s", names, backoff
        )
        await asyncio.sleep(backoff)
        backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set. A process that is not gone `LEAVE_SECONDS` later is ended."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def leave() -> None:
        stop.set()
        end_soon()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave)
    return stop


def end_soon() -> None:
    """End this process in `LEAVE_SECONDS`, with 1, if it is not gone by then.

    While Kafka is away its clients and Faust wait for it on their way out, some of them without end.
    """
    deadline = threading.Timer(LEAVE_SECONDS, _end_at_once)
    deadline.daemon = True
    deadline.start()


def _end_at_once() -> None:
    log.error(
        "could not leave within %.1f s (is Kafka away?): ending; what is in no checkpoint is read again",
        LEAVE_SECONDS,
    )
    os._exit(1)
