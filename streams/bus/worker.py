"""`sluice worker views`: from start to stop."""

from __future__ import annotations

from streams import leave
from streams.bus.careful import UnreadableBatchError
from streams.bus.engine import make_app, run
from streams.bus.health import Health
from streams.bus.heartbeat import Heartbeat
from streams.bus.made_anew import RecreatedTopicError
from streams.bus.role import CannotStartError, serving, topics_there
from streams.bus.too_large import TOO_LARGE
from streams.bus.views import ViewsOwner
from streams.data_dir import writable_data_dir
from streams.settings import Settings
from tables.codec import FeedFormatError


def run_views(settings: Settings) -> None:
    """Run the views role until SIGTERM or SIGINT. Raises `SettingError`, `CannotStartError`, or what it
    failed with."""
    writable_data_dir(settings)
    with serving(settings) as health:
        try:
            leave.run(_views(settings, health))
        except (FeedFormatError, RecreatedTopicError, UnreadableBatchError, *TOO_LARGE) as error:
            raise CannotStartError(str(error)) from None


async def _views(settings: Settings, health: Health) -> None:
    stop = leave.stop_on_signals()
    if not await topics_there(settings, health, stop):
        return
    owner = ViewsOwner(settings, health)
    app = owner.app = make_app(settings, "views", owner, health)
    await run(app, Heartbeat(settings, owner, app).run, stop)
