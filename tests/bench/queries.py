"""How long the reader takes: to load, and to answer. `python -m tests.bench.queries`; CPU time, no Kafka.

24 h of 100 groups on 4 partitions in minute panes, and a million entities.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import msgspec

from tables.query.entities import answer_entities
from tables.query.params import parse_entity_query, parse_view_query
from tables.query.views import answer_view
from tables.read.state import FeedItem, ReaderState
from tables.views import VIEWS
from tests.support.feed_records import MICROS, checkpoint, entity, partial, situation

GMV, PAYOUTS = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"]
FIRST = 29_000_040
MINUTES, HOURS = 2880, 840
NOW_S = (FIRST + MINUTES) * 60 - 5
PARTITIONS = 4
GROUPS = [(f"city{n}", "GBP") for n in range(100)]
ENTITIES = 1_000_000
AROUND_US = 10**12


def panes(rng: random.Random) -> list[FeedItem]:
    """Two days of minute panes of one partition."""
    records = []
    for minute in range(FIRST, FIRST + MINUTES):
        groups = [
            (group, (5, rng.randrange(10**9), 1, 2, 3, {rng.randrange(2300, 2500): 1 for _ in range(5)}))
            for group in GROUPS
        ]
        records.append(partial(GMV, "m", minute, groups))
    return [*records, checkpoint(1, NOW_S)]


def payouts(rng: random.Random) -> list[FeedItem]:
    """A million payouts of one partition, two thirds of them open."""
    now_us = NOW_S * MICROS
    records = []
    for n in range(ENTITIES):
        due = now_us + rng.randrange(-AROUND_US, AROUND_US)
        latest = (True, now_us - rng.randrange(AROUND_US), rng.choice((0, 0, 0, 0, 1, 3)), f"evt-{n:016d}")
        kept = (f"city{n % 100}", "GBP", rng.randrange(2**53), due, f"prov{n % 5000}")
        records.append(entity(PAYOUTS, f"po_{n:012d}", (*latest, *kept)))
    return [*records, checkpoint(2, NOW_S)]


def cpu_ms(work: Callable[[], Any], times: int = 1) -> float:
    """Median CPU milliseconds of some calls."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append((time.process_time() - began) * 1000)
    return sorted(taken)[times // 2]


def row(what: str, milliseconds: float) -> None:
    """One line of the table."""
    print(f"| {what} | {milliseconds:,.1f} |")


def main() -> None:
    """Print the table."""
    rng = random.Random(1)
    state = ReaderState(VIEWS, MINUTES, HOURS)
    now = situation(NOW_S, partitions=PARTITIONS)

    def ask(view: Any, *params: tuple[str, str]) -> Callable[[], bytes]:
        query = parse_view_query(view, params)
        return lambda: msgspec.json.encode(answer_view(state, view, query, now))

    def entities(*params: tuple[str, str]) -> Callable[[], bytes]:
        query = parse_entity_query(PAYOUTS, params)
        return lambda: msgspec.json.encode(answer_entities(state, PAYOUTS, query, now))

    print("| what | CPU ms |\n|---|---|")
    loads = [panes(rng) for _ in range(PARTITIONS)]

    def load_all() -> None:
        for number, records in enumerate(loads):
            load(state, number, records)

    row("load 2 days of panes, 4 partitions", cpu_ms(load_all))
    row("24 h, the first time", cpu_ms(ask(GMV)))
    row("24 h, again", cpu_ms(ask(GMV), 21))

    def changed() -> None:
        for number in range(PARTITIONS):
            load(state, number, loads[number][-2:])
        ask(GMV)()

    row("24 h, with a changed pane on each partition", cpu_ms(changed, 21))
    row("24 h by 5 minutes: 28,800 rows", cpu_ms(ask(GMV, ("step", "5m")), 3))
    million = payouts(rng)
    row("load a million entities", cpu_ms(lambda: load(state, 0, million)))
    row("an entity view over a million", cpu_ms(ask(PAYOUTS), 7))
    row("100 of 300,000 overdue entities", cpu_ms(entities(("state", "overdue")), 7))


def load(state: ReaderState, partition: int, records: list[FeedItem]) -> None:
    """Give the reader records of one partition."""
    state.apply(partition, records, monotonic=0.0)


if __name__ == "__main__":
    main()
