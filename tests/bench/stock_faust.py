"""Contestant (b): stock Faust. An agent by event, Sluice's validation, one table write per accepted event.

Settings as Faust has them, an in-memory table with its changelog topic. Bad events are dropped, so it has
less to do than the views worker. `python -m tests.bench.stock_faust ID SERVER TOPIC PARTITIONS EVENTS
FOLDER`; prints `first` at the first event and `done` after the last.
"""

from __future__ import annotations

import sys
from typing import Any

import faust

from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator


def make_app(app_id: str, server: str, topic: str, *, partitions: int, events: int, folder: str) -> faust.App:
    """A Faust app that counts events by city and minute."""
    app = faust.App(
        app_id, broker=f"kafka://{server}", topic_partitions=partitions, datadir=folder, web_enabled=False
    )
    raw = app.topic(topic, key_type=bytes, key_serializer="raw", value_type=bytes, value_serializer="raw")
    totals = app.Table("totals", default=int, partitions=partitions)
    validator = Validator()

    @app.agent(raw)
    async def count(stream: Any) -> None:
        seen = 0
        async for event in stream.events():
            if seen == 0:
                print("first", flush=True)
            seen += 1
            verdict = validator.validate(event.value, int(event.message.timestamp * 1000))
            if not isinstance(verdict, Quarantined):
                totals[f"{verdict.city}|{int(verdict.occurred_at.timestamp() // 60)}"] += 1
            if seen == events:
                print("done", flush=True)

    return app


if __name__ == "__main__":
    name, server, topic, partitions, events, folder = sys.argv[1:]
    app = make_app(name, server, topic, partitions=int(partitions), events=int(events), folder=folder)
    faust.Worker(app, loglevel="info").execute_from_commandline()
