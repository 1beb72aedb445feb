"""Runs an `Owner` on a Faust app: the group, its rebalances, the agent that takes batches, start and stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

import faust
from faust.app.base import BootStrategy

from streams import shutdown
from streams.faust.transport import BatchConsumer, Owner, OwnerApp
from streams.health import Health
from streams.kafka.batches import Fetched
from streams.settings import Settings

log = logging.getLogger(__name__)

RECOVERY_SECONDS = 85.0
"""A recovery that takes longer ends the process: Faust gives up silently at `broker_request_timeout`."""


class _AsItCame(faust.Schema[Any, Any]):
    """A message's value is a `Fetched` already, so it is not decoded."""

    def loads_key(self, *_: Any, **__: Any) -> Any:
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's signature
        return message.value


class _ConsumerOnly(BootStrategy):
    enable_kafka_producer = False
    enable_web = False


def make_app(settings: Settings, role: str, owner: Owner, health: Health) -> OwnerApp:
    """The Faust app of a role: one agent over all raw topics, which passes every batch to the owner."""
    datadir = settings.data_dir / "faust" / role
    datadir.mkdir(parents=True, exist_ok=True)
    app = OwnerApp(
        settings.group(role),
        broker=[f"kafka://{server}" for server in settings.kafka],
        broker_request_timeout=90.0,
        broker_session_timeout=float(settings.session_seconds),
        broker_heartbeat_interval=settings.session_seconds / 5,
        datadir=datadir,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        stream_buffer_maxsize=2,
        web_enabled=False,
        autodiscover=False,
    )
    app.boot_strategy = _ConsumerOnly(app)
    app.owner = owner
    app.sluice = settings
    app.role = role
    app.health = health
    raw = app.topic(*settings.raw_topics, schema=_AsItCame(allow_empty=False), acks=False)

    @app.on_rebalance_complete.connect
    async def release_all(*_: Any, **__: Any) -> None:
        # Faust does not seek where nothing is assigned, and so would not call the owner.
        if not app.consumer.assignment():
            await owner.assigned(set(), app.consumer_generation_id)

    @app.agent(raw, name=f"{role}-batches")
    async def dispatch_batches(stream: Any) -> None:
        async for fetched in stream:
            await _dispatch(app, cast(Fetched, fetched))

    return app


async def _dispatch(app: OwnerApp, fetched: Fetched) -> None:
    # Faust would restart an agent that raises after the batch it failed on: end the process instead.
    try:
        await app.owner.process(fetched)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        log.exception("processing %s failed at offset %d", fetched.tp, fetched.before)
        await app.crash(error)


def consumer_of(app: OwnerApp) -> BatchConsumer:
    """The app's consumer, with its actual type."""
    return cast(BatchConsumer, app.consumer)


async def all_of(steps: Iterable[Coroutine[Any, Any, Any]]) -> None:
    """Run them concurrently; when one fails, or this is cancelled, end the others before returning."""
    tasks = [asyncio.create_task(step) for step in steps]
    if not tasks:
        return
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def run(app: OwnerApp, beside: Callable[[], Coroutine[Any, Any, None]], stop: asyncio.Event) -> None:
    """Run until `stop` is set or the app fails; raises what it failed with.

    `beside()` runs from when the app has started until it has ended, and is then cancelled.
    """
    companions: list[asyncio.Task[None]] = []
    try:
        await _run(app, lambda: companions.append(asyncio.create_task(beside())), stop)
    finally:
        for companion in companions:
            companion.cancel()
        await asyncio.gather(*companions, return_exceptions=True)


async def _run(app: OwnerApp, on_started: Callable[[], None], stop: asyncio.Event) -> None:
    app.finalize()
    stopping = asyncio.create_task(stop.wait())
    # It has started when the first recovery has ended; a stop must not wait for that.
    starting = asyncio.create_task(app.start())
    await asyncio.wait({stopping, starting}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
        if app.crash_reason is None:
            on_started()
        stopped = asyncio.create_task(app.wait_until_stopped())
        await asyncio.wait({stopping, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
    starting.cancel()
    stopping.cancel()
    failure = app.crash_reason
    if failure is not None:
        shutdown.end_soon()
    try:
        await app.stop()
    finally:
        await asyncio.gather(starting, stopping, return_exceptions=True)
    if failure is not None:
        raise failure
