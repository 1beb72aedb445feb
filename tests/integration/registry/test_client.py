"""The client against a real registry (Apicurio), and against servers that answer anything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streams.registry.client import IncompatibleError, NotRegisteredError, RegistryClient, RegistryError
from streams.settings import Settings
from tests.support.fake_registry import FakeRegistry
from tests.support.registry import Registry

MONEY = {"type": "record", "name": "Money", "namespace": "x", "fields": [{"name": "minor", "type": "long"}]}
PAID = {"type": "record", "name": "Paid", "namespace": "x", "fields": [{"name": "of", "type": "x.Money"}]}


async def test_what_is_registered_is_read_back(registry: Registry, prefix: str) -> None:
    subject = f"{prefix}money/value"  # a name that has to be quoted
    async with RegistryClient(registry.url) as client:
        assert await client.latest(subject) is None
        assert await client.id_of(subject, json.dumps(MONEY)) is None
        number = await client.register(subject, json.dumps(MONEY))
        assert await client.register(subject, json.dumps(MONEY)) == number
        assert await client.id_of(subject, json.dumps(MONEY)) == number
        found = await client.schema(number)
        assert (found.kind, json.loads(found.text), found.references) == ("AVRO", MONEY, ())
        assert await client.latest(subject) == found
        with pytest.raises(NotRegisteredError):
            await client.schema(2**31 - 5)


async def test_references_come_before_what_refers_to_them(registry: Registry, prefix: str) -> None:
    registry.register(f"{prefix}money", MONEY)
    reference = {"name": "x.Money", "subject": f"{prefix}money", "version": 1}
    number = registry.register(f"{prefix}paid", PAID, references=[reference])
    async with RegistryClient(registry.url) as client:
        found = await client.schema(number)
    assert json.loads(found.text) == PAID
    assert [json.loads(text) for text in found.references] == [MONEY]


async def test_a_subject_has_its_compatibility(registry: Registry, prefix: str) -> None:
    subject = f"{prefix}level"
    wider = {**MONEY, "fields": [*MONEY["fields"], {"name": "currency", "type": "string"}]}
    async with RegistryClient(registry.url) as client:
        await client.register(subject, json.dumps(MONEY))
        assert await client.compatibility(subject) in (None, "NONE")  # Apicurio tells what holds for all
        await client.set_compatibility(subject, "BACKWARD")
        assert await client.compatibility(subject) == "BACKWARD"
        assert await client.problems(subject, json.dumps(MONEY)) == []
        assert await client.problems(subject, json.dumps(wider)) == ["the registry does not say why"]
        with pytest.raises(IncompatibleError, match=r"HTTP 409: .*currency"):
            await client.register(subject, json.dumps(wider))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((500, b'{"error_code":50001,"message":"out of order"}'), "HTTP 500: out of order"),
        ((500, b"<html>"), "HTTP 500, and no JSON object"),
        ((404, b"<html>"), "HTTP 404, and no JSON object: is this a registry's address"),
        ((404, b'{"error_code":404,"message":"HTTP 404 Not Found"}'), "HTTP 404"),
        ((401, b'{"message":"who?"}'), "SLUICE_SCHEMA_REGISTRY_USER"),
        ((200, b"\xff\xfe"), "no JSON object"),
        ((200, b"[" * 100_000), "no JSON object"),
        ((200, b"{}"), "without a schema"),
        ((200, b'{"schema":17}'), "without a schema"),
        ((200, b'{"schema":"{}","references":[17]}'), "refers to is written in another way"),
        ((200, b" " * (5 << 20)), "more than 4 MiB"),
    ],
)
async def test_answers_that_are_none_name_the_registry(answer: tuple[int, bytes], problem: str) -> None:
    with FakeRegistry(lambda _: answer) as fake:
        async with RegistryClient(fake.url) as client:
            with pytest.raises(RegistryError, match=problem) as raised:
                await client.schema(17)
    assert not isinstance(raised.value, NotRegisteredError)
    assert fake.url in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_a_schema_that_refers_to_itself_ends() -> None:
    itself = b'{"schema":"{}","references":[{"name":"x","subject":"x","version":1}]}'
    with FakeRegistry(lambda _: (200, itself)) as fake:
        async with RegistryClient(fake.url) as client:
            assert len((await client.schema(17)).references) == 1


async def test_endless_references_end() -> None:
    def answer(path: str) -> tuple[int, bytes]:
        last = path.rpartition("/")[2]
        name = {"name": "x", "subject": "x", "version": int(last) + 1}
        return 200, json.dumps({"schema": "{}", "references": [name]}).encode()

    with FakeRegistry(answer) as fake:
        async with RegistryClient(fake.url) as client:
            with pytest.raises(RegistryError, match="more than 100"):
                await client.schema(17)


async def test_nobody_there_is_told() -> None:
    with FakeRegistry(lambda _: (200, b"{}")) as fake:
        url = fake.url
    async with RegistryClient(url) as client:
        with pytest.raises(RegistryError, match="ConnectError"):
            await client.schema(17)


@pytest.mark.parametrize("how", ["basic", "bearer"])
async def test_it_says_who_asks(how: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", "utf-8")
    given = {
        "basic": {"SLUICE_SCHEMA_REGISTRY_USER": "ann", "SLUICE_SCHEMA_REGISTRY_PASSWORD_FILE": str(secret)},
        "bearer": {"SLUICE_SCHEMA_REGISTRY_TOKEN_FILE": str(secret)},
    }
    with FakeRegistry(lambda _: (200, b'{"schema":"{}"}')) as fake:
        settings = Settings.load({"SLUICE_SCHEMA_REGISTRY_URL": fake.url, **given[how]})
        async with RegistryClient.of(settings) as client:
            await client.schema(17)
        assert fake.authorization[-1] == {"basic": "Basic YW5uOnMzY3JldA==", "bearer": "Bearer s3cret"}[how]
