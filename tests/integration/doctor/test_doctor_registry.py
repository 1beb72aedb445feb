"""`sluice doctor` on the schema registry: a real one (Apicurio), and one that answers anything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from schemas.validation.avro.log_entries import SchemaEntry, UnknownEntry
from streams.doctor import schema_registry
from streams.doctor.finding import Patient
from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.registry.schema_log import SchemaLog
from streams.settings import Settings
from tests.support.doctor import doctor
from tests.support.fake_registry import FakeRegistry
from tests.support.kafka import create_topics
from tests.support.processes import Sluice
from tests.support.registry import Registry

MONEY = {"type": "record", "name": "Money", "namespace": "x", "fields": [{"name": "minor", "type": "long"}]}
PAID = {"type": "record", "name": "Paid", "namespace": "x", "fields": [{"name": "of", "type": "x.Money"}]}
WIDER = {**MONEY, "fields": [*MONEY["fields"], {"name": "currency", "type": "string"}]}
NOT_FOUND = 404, b'{"error_code":40403,"message":"Schema not found"}'


async def log_has(settings: Settings, *schemas: SchemaEntry) -> None:
    await topics.create(settings)
    unknown = UnknownEntry((2**31 - 7,), 1, "the registry did not have it")
    await SchemaLog(settings, lambda _: None).append([unknown, *schemas])


def entry(number: int, schema: Any, *references: Any) -> SchemaEntry:
    return SchemaEntry(number, "AVRO", json.dumps(schema), tuple(map(json.dumps, references)))


async def test_doctor_compares_the_log_with_a_real_registry(
    kafka: EmbeddedKafka, registry: Registry, prefix: str, tmp_path: Path
) -> None:
    money = registry.register(f"{prefix}money", {**MONEY, "name": prefix.replace("-", "_")})
    registry.register(f"{prefix}x", MONEY)
    reference = {"name": "x.Money", "subject": f"{prefix}x", "version": 1}
    paid = registry.register(f"{prefix}paid", PAID, references=[reference])
    with Sluice(tmp_path, kafka.bootstrap, prefix, schema_registry_url=registry.url) as sluice:
        same = entry(paid, PAID, dict(reversed(MONEY.items())))
        await log_has(sluice.settings, same, entry(money, MONEY), entry(2**31 - 9, MONEY))
        _, findings = await doctor(sluice)
    (answers,) = findings["schema registry"]
    assert (answers["state"], answers["found"]) == ("good", f"{registry.url} answers")
    (changed,) = findings[f"schema {money}"]
    assert changed["state"] == "wrong"
    assert "another schema at the registry than in the log of schemas" in changed["found"]
    assert "restore the registry's backup" in changed["mend"]
    (absent,) = findings["schema ids"]
    assert (absent["state"], absent["found"]) == ("note", "the registry has no schema 2147483639 any more")


class Answers:
    """A registry with these schemas."""

    def __init__(self, schemas: Mapping[int, Any]) -> None:
        self.schemas = schemas

    def __call__(self, path: str) -> tuple[int, bytes]:
        schema = self.schemas.get(int(path.rpartition("/")[2]))
        return NOT_FOUND if schema is None else (200, json.dumps({"schema": json.dumps(schema)}).encode())


@pytest.mark.parametrize("there", ["the newest", "none", "folder"])
async def test_doctor_compares_the_newest_ids(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path, there: str
) -> None:
    logged = [entry(number, MONEY) for number in range(1, 151)]
    logged.append(entry(60, WIDER))  # the first that is said of an id holds
    newest = {} if there == "none" else dict.fromkeys(range(51, 151), MONEY)
    with FakeRegistry(Answers(newest)) as fake:
        url = fake.url
        if there == "folder":
            for number, schema in newest.items():
                (tmp_path / f"{number}.avsc").write_text(json.dumps(schema), "utf-8")
            url = tmp_path.as_uri()
        settings = Settings.load(
            {"SLUICE_KAFKA": kafka.bootstrap, "SLUICE_PREFIX": prefix, "SLUICE_SCHEMA_REGISTRY_URL": url,
             "SLUICE_RAW_TOPICS": f"{prefix}events.raw"}
        )  # fmt: skip
        await log_has(settings, *logged)
        patient = Patient(settings, 30.0)
        (answers,) = await schema_registry.answers(patient)
        (found,) = await schema_registry.ids_keep_their_meaning(patient)
    assert answers.state == "good"
    if there == "none":
        assert found.state == "wrong"
        assert found.found == "the registry has no schema 51, 52, 53, 54, 55 and 95 more any more"
        assert "restore its backup before anything is registered" in found.mend
    else:
        assert found.state == "good", found
        assert found.found == "the newest 100 of the log mean the same at the registry"
    assert len(fake.asked) == (0 if there == "folder" else 101)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((401, b'{"message":"who?"}'), "SLUICE_SCHEMA_REGISTRY_USER and _PASSWORD_FILE"),
        ((404, b"<html>"), "is this a registry's address"),
        ((500, b'{"message":"out of order"}'), "HTTP 500: out of order"),
    ],
)
async def test_doctor_says_why_a_registry_does_not_answer(answer: tuple[int, bytes], problem: str) -> None:
    with FakeRegistry(lambda _: answer) as fake:
        patient = Patient(Settings.load({"SLUICE_SCHEMA_REGISTRY_URL": fake.url}), 10.0)
        (found,) = await schema_registry.answers(patient)
    assert found.state == "wrong"
    assert problem in found.found
    assert "SLUICE_SCHEMA_REGISTRY_URL" in found.mend


async def test_doctor_waits_for_no_registry_that_stands_still(tmp_path: Path) -> None:
    with Registry(tmp_path) as registry:
        registry.pause()
        patient = Patient(Settings.load({"SLUICE_SCHEMA_REGISTRY_URL": registry.url}), 0.5)
        (found,) = await schema_registry.answers(patient)
        assert (found.state, found.found) == ("wrong", f"{registry.url}: no answer within 0.5 s")


async def test_doctor_has_nothing_to_say_of_no_registry() -> None:
    patient = Patient(Settings.load({}), 1.0)
    assert await schema_registry.answers(patient) == []
    assert await schema_registry.ids_keep_their_meaning(patient) == []


async def test_doctor_sees_a_log_that_forgets(kafka: EmbeddedKafka, prefix: str) -> None:
    settings = Settings.load(
        {"SLUICE_KAFKA": kafka.bootstrap, "SLUICE_PREFIX": prefix, "SLUICE_RAW_TOPICS": f"{prefix}events.raw",
         "SLUICE_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1"}
    )  # fmt: skip
    await create_topics(
        kafka.bootstrap, f"{prefix}events.schemas", partitions=1, cleanup_policy="delete", retention_ms=1000
    )
    _, found = await topics.create(settings)
    (forgets,) = found
    assert forgets.problem.startswith("has retention.ms=1000: what it forgets is asked for again")
    assert forgets.mend == "set retention.ms=-1 and retention.bytes=-1 on it"
