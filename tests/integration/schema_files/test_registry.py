"""`sluice schemas publish` and `check --against registry`, with a real registry (Apicurio)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from schemas.catalogue import OWN
from schemas.compatibility.changes import changes
from schemas.compatibility.problem import Rule
from streams.cli.main import main
from streams.registry.client import RegistryClient
from streams.schema_files.registry import Publication, State, Subjects, of_registry, schema_text
from tests.support.registry import Registry
from tests.support.schema_changes import event_of

pytestmark = pytest.mark.timeout(300)  # the registry's start, on a busy machine


def schemas(registry: Registry, prefix: str, *arguments: str) -> Result:
    environ = {"SLUICE_SCHEMA_REGISTRY_URL": registry.url, "SLUICE_RAW_TOPICS": f"{prefix}raw"}
    return CliRunner(env=environ).invoke(main, ["schemas", *arguments])


def answer(done: Result) -> dict[str, dict[str, Any]]:
    return {entry["event"]: entry for entry in json.loads(done.stdout)["schemas"]}


def test_all_are_registered_once(registry: Registry, prefix: str) -> None:
    dry = schemas(registry, prefix, "publish", "--dry-run")
    assert dry.exit_code == 0
    assert f"{len(OWN)} schemas would be registered, 0 are there already" in dry.stdout
    assert f"{prefix}raw-sluice.payments.PayoutPaid" not in registry.ask("GET", "/subjects")

    first = schemas(registry, prefix, "publish", "--compatibility", "BACKWARD", "--json")
    assert first.exit_code == 0
    entries = answer(first)
    assert {entry["state"] for entry in entries.values()} == {"registered"}
    paid = entries["payout.paid"]
    assert paid["subject"] == f"{prefix}raw-sluice.payments.PayoutPaid"
    there = registry.ask("GET", f"/schemas/ids/{paid['id']}")
    assert json.loads(there["schema"]) == json.loads(schema_text(OWN["payout.paid"]))
    level = registry.ask("GET", f"/config/{paid['subject']}")
    assert level["compatibilityLevel"] == "BACKWARD"

    second = schemas(registry, prefix, "publish", "--compatibility", "BACKWARD", "--json")
    assert second.exit_code == 0
    again = answer(second)
    assert {entry["state"] for entry in again.values()} == {"unchanged"}
    assert {name: entry["id"] for name, entry in again.items()} == {n: e["id"] for n, e in entries.items()}
    assert registry.ask("GET", f"/subjects/{paid['subject']}/versions") == [1]
    assert "nothing to register" in schemas(registry, prefix, "publish").stdout

    checked = schemas(registry, prefix, "check", "--against", "registry")
    assert (checked.exit_code, checked.stdout) == (0, f"{len(OWN)} events are compatible with registry\n")


def test_an_incompatible_one_is_refused_and_none_is_registered(registry: Registry, prefix: str) -> None:
    subject = f"{prefix}raw-sluice.studios.AmenityUsed"
    former = json.loads(schema_text(OWN["amenity.used"]))
    former["fields"][-1]["type"]["fields"].pop(0)  # what is declared now requires one field more
    registry.register(subject, former)
    levels = ("--compatibility", "BACKWARD")
    done = schemas(registry, prefix, "publish", *levels)
    assert done.exit_code == 1
    assert "amenity.used" in done.stdout
    assert subject in done.stdout
    assert f"1 of {len(OWN)} schemas are refused" in done.stderr
    assert f"{prefix}raw-sluice.payments.PayoutPaid" not in registry.ask("GET", "/subjects")
    told = answer(schemas(registry, prefix, "publish", "--dry-run", "--json"))
    assert told["amenity.used"]["state"] == "refused"
    assert told["amenity.used"]["reason"]

    checked = schemas(registry, prefix, "check", "--against", "registry", "--json")
    assert checked.exit_code == 1
    (refused,) = json.loads(checked.stdout)["refused"]
    assert (refused["event"], refused["field"], refused["rule"]) == (
        "amenity.used", "payload.studio_id", "new_required_field",
    )  # fmt: skip

    assert schemas(registry, prefix, "publish", "--compatibility", "NONE").exit_code == 0
    assert registry.ask("GET", f"/subjects/{subject}/versions") == [1, 2]


async def test_subjects_and_a_compatible_change(registry: Registry, prefix: str) -> None:
    old = event_of({"parcel_id": str}, {"parcel_id": "p"})
    new = event_of({"parcel_id": str, "grams": (int, 0)}, {"parcel_id": "p"})
    async with RegistryClient(registry.url) as client:
        plan = Publication(client, (old,), prefix)
        (entry,) = await plan.publish()
        assert (entry.state, entry.subject) == (State.REGISTERED, f"{prefix}-sluice.parcels.ParcelSent")
        former = await of_registry(client, (new,), prefix, Subjects.TOPIC_RECORD)
        assert changes({new.name: new}, former) == []
        (entry,) = await plan._replace(specs=(new,), level="BACKWARD").publish()
        assert entry.state is State.REGISTERED
        former = await of_registry(client, (old,), prefix, Subjects.TOPIC_RECORD)
        assert changes({old.name: old}, former) == []  # Avro passes over what only the writer has
    assert Subjects.RECORD.of(old, prefix) == "sluice.parcels.ParcelSent"
    assert changes({}, former)[0].rule is Rule.REMOVED_EVENT


def test_no_registry_and_one_that_is_away(prefix: str) -> None:
    runner = CliRunner(env={"SLUICE_SCHEMA_REGISTRY_URL": ""})
    for command in (["publish"], ["check", "--against", "registry"]):
        done = runner.invoke(main, ["schemas", *command])
        assert (done.exit_code, "SLUICE_SCHEMA_REGISTRY_URL names no registry" in done.stderr) == (2, True)
    runner = CliRunner(env={"SLUICE_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1"})
    for command in (["publish"], ["check", "--against", "registry"]):
        done = runner.invoke(main, ["schemas", *command])
        assert (done.exit_code, "the schema registry at http://127.0.0.1:1" in done.stderr) == (1, True)
