"""`sluice worker views`: from start to stop."""

from __future__ import annotations

from streams import shutdown
from streams.data_dir import writable_data_dir
from streams.faust.app import make_app, run
from streams.health import Health
from streams.kafka.message_formats import UnreadableBatchError
from streams.kafka.record_size import TOO_LARGE
from streams.roles.lifecycle import CannotStartError, serving, topics_there
from streams.roles.recreated_topic import RecreatedTopicError
from streams.roles.views.monitor import Heartbeat
from streams.roles.views.owner import ViewsOwner
from streams.settings import Settings
from tables.codec import FeedFormatError


def run_views(settings: Settings) -> None:
    """Run the views role until SIGTERM or SIGINT. Raises `SettingError`, `CannotStartError`, or what it
    failed with."""
    writable_data_dir(settings)
    with serving(settings) as health:
        try:
            shutdown.run(_views(settings, health))
        except (FeedFormatError, RecreatedTopicError, UnreadableBatchError, *TOO_LARGE) as error:
            raise CannotStartError(str(error)) from None


async def _views(settings: Settings, health: Health) -> None:
    stop = shutdown.stop_on_signals()
    if not await topics_there(settings, health, stop):
        return
    owner = ViewsOwner(settings, health)
    app = owner.app = make_app(settings, "views", owner, health)
    await run(app, Heartbeat(settings, owner, app).run, stop)
