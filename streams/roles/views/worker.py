"""`sluice worker views`."""

from __future__ import annotations

from streams import shutdown
from streams.data_dir import writable_data_dir
from streams.kafka.message_formats import UnreadableBatchError
from streams.kafka.record_size import TOO_LARGE
from streams.registry.schemas import Schemas
from streams.roles.lifecycle import CannotStartError, serving
from streams.roles.progress import RecreatedTopicError
from streams.roles.views.positions import UnfinishedRestoreError
from streams.roles.views.reporter import ViewsReporter
from streams.roles.views.role import ViewsRole
from streams.roles.worker import work
from streams.settings import Settings
from streams.traces import tracing
from tables.keys import FeedFormatError

REFUSALS = FeedFormatError, RecreatedTopicError, UnfinishedRestoreError, UnreadableBatchError


def run_views(settings: Settings) -> None:
    """Run the views role until SIGTERM or SIGINT. Raises `SettingError`, `CannotStartError`, or what it
    failed with."""
    writable_data_dir(settings)
    with serving(settings) as health, tracing(settings, ViewsRole.name) as traces:
        schemas = Schemas(settings)
        role = ViewsRole(settings, schemas.known, traces)
        reporter = ViewsReporter(settings, role.worker, role.quarantined)
        try:
            shutdown.run(work(settings, health, role, schemas, lambda _: reporter))
        except (*REFUSALS, *TOO_LARGE) as error:
            raise CannotStartError(str(error)) from None
        finally:
            role.quarantined.log(last=True)
