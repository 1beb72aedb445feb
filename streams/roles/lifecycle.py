"""What all worker roles share: logs, metrics, health, signals, and the topics that a worker waits for."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import KafkaError

from agents.backoff import Backoff
from streams import health as health_server
from streams import logs, metrics, shutdown
from streams.extensions import loading
from streams.health import Health
from streams.kafka import topics
from streams.kafka.acls import topics_inspected
from streams.kafka.availability import connected_admin, reason
from streams.kafka.refusals import right
from streams.kafka.rights import missing_rights
from streams.settings import Settings
from streams.version import VERSION

log = logging.getLogger(__name__)

YOUNG_OBJECTS = 5_000
"""How many new objects make Python's garbage collector look at them. What is made of a slice of records lives
for a moment; at the default of 700 the collector goes through nearly every slice, and finds nothing."""


class CannotStartError(Exception):
    """Something outside has to be fixed before this worker can run; `str()` states what and how."""


@contextmanager
def serving(settings: Settings) -> Iterator[Health]:
    """Logs set up, and metrics and health served while it lasts. Raises `CannotStartError`."""
    shutdown.on_signals()
    gc.set_threshold(YOUNG_OBJECTS)
    logs.configure(settings)
    logs.warn_of_unknown_variables()
    metrics.BUILD_INFO.labels(VERSION).set(1)
    loading.announce()
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


async def topics_there(settings: Settings, role: str, health: Health, stop: asyncio.Event) -> bool:
    """Wait for Kafka and for a role's topics; False if `stop` was set first. Raises `CannotStartError`."""
    preflight = asyncio.create_task(_wait_for_topics(settings, role, health))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({preflight, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not preflight.done():
        preflight.cancel()
        return False
    preflight.result()
    return True


async def _wait_for_topics(settings: Settings, role: str, health: Health) -> None:
    """Wait for Kafka, for the rights and for the topics; refuse topics with a wrong configuration."""
    backoff = Backoff()
    while True:
        health.waiting_for = f"Kafka at {','.join(settings.kafka)}"
        try:
            async with connected_admin(settings) as admin:
                lacking = await missing_rights(admin, settings, role)
            found = [] if lacking else await topics.inspect(settings, topics_inspected(settings, role))
        except (KafkaError, OSError) as error:
            if isinstance(error, KafkaError) and not error.retriable:
                raise
            log.warning("looking at the topics: %s; next look in %.1f s", reason(error), backoff.seconds)
            await backoff.pause()
            continue
        if lacking:
            health.waiting_for = f"the {right(', '.join(lacking), role)}"
            log.warning("waiting for %s; next look in %.1f s", health.waiting_for, backoff.seconds)
            await backoff.pause()
            continue
        missing = [finding for finding in found if finding.missing and not finding.bearable]
        wrong = [finding for finding in found if not finding.missing]
        if not all(finding.bearable for finding in wrong):
            raise CannotStartError("\n".join(f"topic {f.topic} {f.problem}: {f.mend}" for f in wrong))
        if not missing:
            for finding in found:
                log.warning("topic %s %s: %s", finding.topic, finding.problem, finding.mend)
            health.waiting_for = "an assignment"
            return
        names = ", ".join(finding.topic for finding in missing)
        health.waiting_for = f"topics: {names}"
        log.warning(
            "topics are missing: %s; `sluice topics create` makes them; next look in %.1f s",
            names,
            backoff.seconds,
        )
        await backoff.pause()
