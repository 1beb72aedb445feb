"""What the OpenAPI document says holds, whatever is asked: no fault of ours, no answer that is not in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import given
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.types import ASGIApp

from streams.access.access import Access
from streams.feed.replica import Replica
from streams.http.app import create_app
from streams.http.background.ops_topics import OpsTopics
from streams.settings import Settings
from tables.views import VIEWS
from tests.support.examples import examples
from tests.support.feed_records import TOPIC, checkpoint, entity, heartbeat, partial
from tests.support.replica import NOW_S, SetClock

UNASKED: set[Any] = {positive_data_acceptance}
"""That what the description allows is accepted is not asked: no schema says which times go together. Nor that
there is no 503 where it is described as here, without a Bronze; a 500 is in no description."""
AS_ANA = {"authorization": "Bearer token"}
MINUTE = int(NOW_S) // 60 - 1


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ASGIApp]:
    (tmp_path / "tokens").write_text(f"ana,{hashlib.sha256(b'token').hexdigest()}\n")
    (tmp_path / "scopes").write_text("ana,*\n")
    files = {"TOKENS_FILE": "tokens", "CITY_SCOPE_FILE": "scopes"}
    environ = {f"SLUICE_{name}": str(tmp_path / file) for name, file in files.items()}
    environ["SLUICE_BRONZE_URL"] = f"file://{tmp_path}/nothing"
    replica = Replica(
        VIEWS, Settings.load({"SLUICE_AUTH": "tokens", "SLUICE_HTTP_RATE": "0", **environ}), SetClock()
    )
    replica.topics, replica.waiting_for = {TOPIC: 1}, None
    gmv, payouts = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"]
    members = [True, 10**15, 0, "e", None, "GBP", 5, None, "p1"]
    records = [
        partial(gmv, "m", MINUTE, [((city, "GBP"), (1, 5, 0, 0, 0)) for city in ("london", None)]),
        entity(payouts, "po", members),
        checkpoint(1, NOW_S),
        heartbeat((0, 1, 1, None)),
    ]
    replica.reader.apply(0, records, monotonic=NOW_S)
    ops = OpsTopics(replica.settings)
    ops.waiting_for = None
    yield create_app(replica, Access(replica.settings).visitor, ops)
    replica.end()
    replica.close()


def test_the_description_holds(served: ASGIApp) -> None:
    described = schemathesis.openapi.from_asgi("/openapi.json", served, headers=AS_ANA)
    asked = []
    for found in described.exclude(path_regex="^/v1/stream").get_all_operations():  # streams have no end
        operation = cast(Ok[Any], found).ok()
        asked.append(operation.path)
        unasked = UNASKED | ({not_a_server_error} if operation.path.endswith("/explain") else set())
        ask_much(operation.as_strategy(generation_mode=GenerationMode.POSITIVE), unasked)
        if list(operation.iter_parameters()):
            ask_much(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE), unasked)
    assert set(asked) >= {f"/v1/views/{name}" for name in VIEWS} | {
        "/v1/gates/recon",
        "/v1/alarms",
        "/metrics",
    }


def ask_much(cases: SearchStrategy[schemathesis.Case[Any]], unasked: set[Any]) -> None:
    @examples(8, chaos=100)
    @given(cases)
    def ask(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(headers=AS_ANA, excluded_checks=[*unasked])

    ask()
