"""With a schema registry, bad records are read by the log of schemas: what is said where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streams.client import SluiceClient
from streams.embedded.broker import EmbeddedKafka
from streams.settings import Settings
from streams.store.local import LocalStore
from streams.verify.child import answered
from streams.verify.proof import State
from streams.verify.question import Question
from streams.verify.run import Verifier
from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.views import VIEWS
from tests.support.api import answering
from tests.support.bronze_folder import write_bronze
from tests.support.feed_records import situation
from tests.support.view_records import LIMITS, PARTITIONS, reader_of, records

VIEW = VIEWS["ops_quarantine"]
READS = records(2, in_time=True)


@pytest.fixture
def settings(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> Settings:
    write_bronze(tmp_path / "bronze", READS)
    given = {
        "KAFKA": kafka.bootstrap, "PREFIX": prefix, "SCHEMA_REGISTRY_URL": tmp_path.as_uri(),
        "BRONZE_URL": (tmp_path / "bronze").as_uri(), "PANE_HOURS": str(LIMITS.pane_hours),
    }  # fmt: skip
    return Settings.load({f"SLUICE_{name}": value for name, value in given.items()})


@pytest.fixture
def said() -> dict[str, Any]:
    reader = reader_of(READS)
    now = situation((reader.newest_us() or 0) / 1e6, partitions=PARTITIONS)
    return answer_view(reader, VIEW, parse_view_query(VIEW, [("window", "6h")]), now)


async def test_a_proof_and_an_explanation_say_so(
    settings: Settings, said: dict[str, Any], tmp_path: Path
) -> None:
    topic = settings.topic("events.schemas")
    with answering() as api:
        api.answers[f"/v1/views/{VIEW.name}"] = (200, said)
        verifier = Verifier(settings, SluiceClient(api.url), LocalStore(tmp_path / "bronze"), lambda _: None)
        verdict = await verifier.prove(await verifier.take(VIEW, "6h"), 60)
    (note,) = verdict.notes
    reply = await answered(settings, Question(VIEW.name, said, {}, None))
    assert (verdict.state, reply.explained) == (State.UNVERIFIED, None)
    assert (
        note == f"what Kafka has cannot be read: there is no topic {topic}: `sluice topics create` makes it"
    )
    assert reply.error == note
