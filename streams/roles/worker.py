"""A worker of a role that owns partitions: from start to stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from streams import shutdown
from streams.faust.app import make_app, run
from streams.health import Health
from streams.registry.schemas import Schemas
from streams.roles.lifecycle import topics_there
from streams.roles.monitor import Monitor, Reporter
from streams.roles.owner import PartitionOwner, Role
from streams.roles.partition import Partition
from streams.settings import Settings

log = logging.getLogger(__name__)

P = TypeVar("P", bound=Partition)


async def work(
    settings: Settings,
    health: Health,
    role: Role[P],
    schemas: Schemas,
    reporter: Callable[[PartitionOwner[P]], Reporter[P]],
    *,
    flush_seconds: float = 0.0,
) -> None:
    """Own partitions and process their records until SIGTERM or SIGINT; raises what that fails with.

    `flush_seconds`: how long a rebalance may wait for pending writes.
    """
    stop = shutdown.stop_on_signals()
    if not await topics_there(settings, role.name, health, stop):
        return
    owner = PartitionOwner(settings, role, health, schemas)
    app = owner.app = make_app(settings, role.name, owner, health)

    async def flush(*_: Any, **__: Any) -> None:
        if not await owner.flush(flush_seconds):
            log.info("a rebalance did not wait for what is being written")

    if flush_seconds:
        app.on_partitions_revoked.connect(flush)
    try:
        await run(app, Monitor(role.name, owner, reporter(owner), app).run, stop)
    finally:
        await schemas.close()
