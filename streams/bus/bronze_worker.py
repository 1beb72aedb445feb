"""`sluice worker bronze`: from start to stop."""

from __future__ import annotations

from typing import Any

from agents.bronze_files import CorruptFileError
from streams import leave
from streams.bus.bronze import BronzeOwner
from streams.bus.bronze_monitor import BronzeMonitor
from streams.bus.engine import make_app, run
from streams.bus.health import Health
from streams.bus.made_anew import RecreatedTopicError
from streams.bus.role import CannotStartError, serving, topics_there
from streams.data_dir import writable_data_dir
from streams.settings import Settings
from streams.store.at_url import bronze_store


def run_bronze(settings: Settings) -> None:
    """Run the bronze role until SIGTERM or SIGINT. Raises `CannotStartError`, or what it failed with."""
    writable_data_dir(settings)
    with serving(settings) as health:
        try:
            leave.run(_bronze(settings, health))
        except CorruptFileError as error:
            raise CannotStartError(
                f"in {bronze_store(settings)}: {error}; nothing is written behind it. Put the right file back"
                " (`sluice bronze verify` shows what is around it)"
            ) from None
        except RecreatedTopicError as error:
            raise CannotStartError(str(error)) from None


async def _bronze(settings: Settings, health: Health) -> None:
    stop = leave.stop_on_signals()
    if not await topics_there(settings, health, stop):
        return
    owner = BronzeOwner(settings, bronze_store(settings), health)
    app = owner.app = make_app(settings, "bronze", owner, health)

    @app.on_partitions_revoked.connect
    async def close_ranges(*_: Any, **__: Any) -> None:
        await owner.revoked()

    await run(app, BronzeMonitor(settings, owner, app).run, stop)
