"""`sluice worker views`: from start to stop."""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import version

from streams import logs, metrics
from streams.bus import health as health_server
from streams.bus import topics
from streams.bus.client import FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS
from streams.bus.engine import make_app, run, stop_on_signals
from streams.bus.health import Health
from streams.bus.heartbeat import Heartbeat
from streams.bus.views import TopicMadeAnewError, ViewsOwner
from streams.settings import Settings
from tables.codec import FeedFormatError

log = logging.getLogger(__name__)


class CannotStartError(Exception):
    """Something outside has to be mended before this worker can run; `str()` says what and how."""


def run_views(settings: Settings) -> None:
    """Run the views role until SIGTERM or SIGINT. Raises `CannotStartError`, or what it failed with."""
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
        asyncio.run(_views(settings, health))
    except (FeedFormatError, TopicMadeAnewError) as error:
        raise CannotStartError(str(error)) from None
    finally:
        server.shutdown()
        server.server_close()


async def _views(settings: Settings, health: Health) -> None:
    stop = stop_on_signals()
    preflight = asyncio.create_task(_wait_for_topics(settings, health))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({preflight, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not preflight.done():
        preflight.cancel()
        return
    preflight.result()
    owner = ViewsOwner(settings, health)
    app = owner.app = make_app(settings, "views", owner)
    heartbeat: asyncio.Task[None] | None = None

    def started() -> None:
        nonlocal heartbeat
        heartbeat = asyncio.create_task(Heartbeat(settings, owner, app).run())

    try:
        await run(app, started, stop)
    finally:
        if heartbeat is not None:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)


async def _wait_for_topics(settings: Settings, health: Health) -> None:
    """Wait for Kafka, and for the topics to be there; refuse topics that are not as they must be."""
    backoff = FIRST_BACKOFF_SECONDS
    while True:
        health.waiting_for = f"Kafka at {','.join(settings.kafka)}"
        found = await topics.inspect(settings)
        missing = [finding for finding in found if finding.missing]
        wrong = [finding for finding in found if not finding.missing]
        if wrong:
            raise CannotStartError("\n".join(f"topic {f.topic} {f.problem}: {f.mend}" for f in wrong))
        if not missing:
            health.waiting_for = "an assignment"
            return
        names = ", ".join(finding.topic for finding in missing)
        health.waiting_for = f"topics: {names}"
        log.warning(
            "topics are missing: %s; `sluice topics create` makes them; next look in %.1f s", names, backoff
        )
        await asyncio.sleep(backoff)
        backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)
