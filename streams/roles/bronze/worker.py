"""`sluice worker bronze`."""

from __future__ import annotations

from agents.bronze.files import CorruptFileError
from streams import metrics, shutdown
from streams.data_dir import writable_data_dir
from streams.registry.schemas import Schemas
from streams.roles.bronze.sink import BronzeSink
from streams.roles.lifecycle import CannotStartError, serving
from streams.roles.progress import RecreatedTopicError
from streams.roles.sinks.reporter import SinkReporter
from streams.roles.sinks.role import SinkRole
from streams.roles.worker import work
from streams.settings import Settings
from streams.store.urls import bronze_store
from streams.traces import tracing

REBALANCE_SECONDS = 3.0
REMEDY = "Give it another name, or SLUICE_BRONZE_URL another prefix"


def run_bronze(settings: Settings) -> None:
    """Run the bronze role until SIGTERM or SIGINT. Raises `CannotStartError`, or what it failed with."""
    writable_data_dir(settings)
    metrics.BUDGET_PUTS.set(settings.budget_puts)
    with serving(settings) as health, tracing(settings, "bronze") as traces:
        schemas = Schemas(settings)
        sink = BronzeSink(settings, bronze_store(settings), schemas.known)
        role = SinkRole("bronze", sink, remedy=REMEDY, max_seconds=settings.bronze_max_seconds, traces=traces)
        try:
            shutdown.run(
                work(
                    settings,
                    health,
                    role,
                    schemas,
                    lambda owner: SinkReporter(owner, metrics.BRONZE_OLDEST),
                    flush_seconds=REBALANCE_SECONDS,
                )
            )
        except CorruptFileError as error:
            raise CannotStartError(
                f"in {bronze_store(settings)}: {error}; nothing is written behind it. Put the right file back"
                " (`sluice bronze verify` shows what is around it)"
            ) from None
        except RecreatedTopicError as error:
            raise CannotStartError(str(error)) from None
