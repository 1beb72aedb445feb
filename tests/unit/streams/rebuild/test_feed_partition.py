"""What a partition of the feed has of a definition, whatever kind of view it is of."""

from __future__ import annotations

import pytest

from streams.rebuild.feed_partition import FeedPartition
from streams.settings import Settings
from tables.keys import entity_prefix, experiment_prefix, user_prefix, windowed_prefix
from tables.views import VIEWS

TOPIC = "events.raw"
PREFIXES = {
    "kpi_gmv": [(windowed_prefix, "m1:0")],
    "ops_payout_backlog": [(entity_prefix, "po-1")],
    "exp_metric_cuped": [(user_prefix, "0" * 16), (experiment_prefix, "search-ui")],
}


@pytest.mark.parametrize("name", PREFIXES)
async def test_all_keys_of_the_definition_are_known_until_they_are_deleted(name: str) -> None:
    view = VIEWS[name]
    partition = FeedPartition(Settings.load({}), 0, view)
    try:
        keys, others = (
            {(prefix(name, definition, TOPIC) + rest).encode() for prefix, rest in PREFIXES[name]}
            for definition in (view.definition_hash, "0" * 8)
        )
        for key in keys | others:
            partition._take(key, b"x")
        assert partition.there == {TOPIC: keys}
        for key in keys:
            partition._take(key, None)
        assert partition.there == {TOPIC: set()}
    finally:
        await partition.__aexit__(None, None, None)
