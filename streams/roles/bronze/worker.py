"""`sluice worker bronze`: from start to stop."""

from __future__ import annotations

from typing import Any

from agents.bronze.files import CorruptFileError
from streams import shutdown
from streams.data_dir import writable_data_dir
from streams.faust.app import make_app, run
from streams.health import Health
from streams.roles.bronze.monitor import BronzeMonitor
from streams.roles.bronze.owner import BronzeOwner
from streams.roles.lifecycle import CannotStartError, serving, topics_there
from streams.roles.recreated_topic import RecreatedTopicError
from streams.settings import Settings
from streams.store.urls import bronze_store


def run_bronze(settings: Settings) -> None:
    """Run the bronze role until SIGTERM or SIGINT. Raises `CannotStartError`, or what it failed with."""
    writable_data_dir(settings)
    with serving(settings) as health:
        try:
            shutdown.run(_bronze(settings, health))
        except CorruptFileError as error:
            raise CannotStartError(
                f"in {bronze_store(settings)}: {error}; nothing is written behind it. Put the right file back"
                " (`sluice bronze verify` shows what is around it)"
            ) from None
        except RecreatedTopicError as error:
            raise CannotStartError(str(error)) from None


async def _bronze(settings: Settings, health: Health) -> None:
    stop = shutdown.stop_on_signals()
    if not await topics_there(settings, health, stop):
        return
    owner = BronzeOwner(settings, bronze_store(settings), health)
    app = owner.app = make_app(settings, "bronze", owner, health)

    @app.on_partitions_revoked.connect
    async def close_ranges(*_: Any, **__: Any) -> None:
        await owner.revoked()

    await run(app, BronzeMonitor(settings, owner, app).run, stop)
