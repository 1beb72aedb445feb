"""`sluice worker audit`: proves all views over Bronze on a schedule, and raises alarms where they fail."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from aiokafka.errors import KafkaError

from agents.backoff import Backoff
from streams import shutdown
from streams.chosen_views import chosen_views
from streams.client.configured import client_of
from streams.health import Health
from streams.kafka.availability import reason_of
from streams.roles.audit.alarms import AuditAlarms
from streams.roles.audit.auditor import Auditor
from streams.roles.lifecycle import serving, topics_there
from streams.setting_groups.rules import ALL
from streams.settings import Settings
from streams.store.urls import bronze_store
from streams.verify.run import Verifier

log = logging.getLogger(__name__)

API_SECONDS = 60.0


def run_audit(settings: Settings) -> None:
    """Run the audit role until SIGTERM or SIGINT. Raises `CannotStartError`, or what it failed with."""
    client = client_of(settings, API_SECONDS)
    with serving(settings) as health:
        verifier = Verifier(settings, client, bronze_store(settings), log.info)
        shutdown.run(_run(settings, health, verifier))


async def _run(settings: Settings, health: Health, verifier: Verifier) -> None:
    stop = shutdown.stop_on_signals()
    if not await topics_there(settings, "audit", health, stop):
        return
    alarms = AuditAlarms(settings)
    await _read(settings, alarms, stop)
    views = [
        view
        for name, view in chosen_views(settings).items()
        if settings.audit_views == ALL or name in settings.audit_views
    ]
    auditor = Auditor(settings, views, verifier, alarms)
    health.waiting_for = None
    auditing = asyncio.create_task(_audit(auditor, settings.audit_seconds), name="audit")
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({auditing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (auditing, stopping):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await auditing


async def _read(settings: Settings, alarms: AuditAlarms, stop: asyncio.Event) -> None:
    backoff = Backoff()
    while not stop.is_set():
        try:
            await alarms.read()
            return
        except (KafkaError, OSError) as error:
            log.warning("reading the alarms: %s", await reason_of(settings, error))
            await backoff.pause(stop)


async def _audit(auditor: Auditor, seconds: float) -> None:
    """Audit, then again so many seconds after the last one began, or as soon as that has ended."""
    loop = asyncio.get_running_loop()
    while True:
        next_at = loop.time() + seconds
        await auditor.audit()
        await asyncio.sleep(max(0.0, next_at - loop.time()))
