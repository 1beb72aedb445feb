"""What every store does (`agents.bronze.store.Store`), held against local files and S3 servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from agents.bronze.store import ChangedError, ExistsError, Store, StoreError
from streams.store.urls import store_at
from tests.support.s3 import BUCKET, S3Server
from tests.support.versity import gateway

NAMES = [
    "event=search.click/dt=2026-03-01/events.raw+0+00000000000000000000-00000000000000000009.ndjson.gz",
    "event=search.click/dt=2026-03-01/city=__HIVE_DEFAULT_PARTITION__/t+0+0-9.ndjson.gz",
    "event=search.click/dt=2026-03-01/city=%5F_hive_default_partition__/t+0+0-9.ndjson.gz",
    "_commits/events.raw/0/00000000000000000000.json",
    "_commits/.odd_topic-/12/00000000000000000010.json",
]


@pytest.fixture(scope="module", params=["file", "moto", pytest.param("versity", marks=pytest.mark.versity)])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server | None]:
    if request.param == "file":
        yield None
        return
    if request.param == "versity" and (problem := gateway.problem()):
        pytest.skip(problem)
    with S3Server(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def store(server: S3Server | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if server is None:
        return store_at(f"file://{tmp_path}/made/when needed")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return store_at(f"s3://{BUCKET}/a/prefix-{tmp_path.name}")


async def listed(store: Store, prefix: str = "", after: str = "") -> list[tuple[str, int]]:
    return sorted([(found.path, found.size_bytes) async for found in store.list(prefix, after)])


@pytest.mark.parametrize("path", NAMES)
async def test_what_is_created_is_read_back(store: Store, path: str) -> None:
    assert await store.get(path) is None
    await store.create(path, b"\x1f\x8b\x00 bytes")
    found = await store.get(path)
    assert found is not None
    assert found.data == b"\x1f\x8b\x00 bytes"
    assert await listed(store) == [(path, 9)]


async def test_requests_are_counted_as_they_are_billed(store: Store) -> None:
    def counted() -> list[float]:
        return [
            REGISTRY.get_sample_value("sluice_store_requests_total", {"operation": name}) or 0.0
            for name in ("put", "get", "list", "delete")
        ]

    before = counted()
    await store.create("a/1", b"x")
    await store.create_all([("a/2", b"x"), ("a/3", b"x")])
    found = await store.get("a/1")
    assert found is not None
    await store.replace("a/1", b"y", found.etag)
    assert len(await listed(store)) == 3
    await store.delete("a/3")
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [4, 1, 1, 1]


async def test_an_object_is_created_once(store: Store) -> None:
    await store.create("a/b", b"first")
    with pytest.raises(ExistsError):
        await store.create("a/b", b"second")
    found = await store.get("a/b")
    assert found is not None
    assert found.data == b"first"


async def test_of_many_who_create_one_wins(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.create("a/b", b"%d" % number) for number in range(8)), return_exceptions=True
    )
    winners = [number for number, outcome in enumerate(outcomes) if outcome is None]
    assert len(winners) == 1
    assert all(isinstance(outcome, ExistsError) for outcome in outcomes if outcome is not None)
    found = await store.get("a/b")
    assert found is not None
    assert found.data == b"%d" % winners[0]


async def test_many_are_created_by_one_call_and_each_has_its_outcome(store: Store) -> None:
    await store.create("a/1", b"there")
    objects = [(f"a/{number}", b"%d" % number) for number in range(4)]
    objects += [(f"b/c{number}/x", b"%d" % number) for number in range(40)]
    outcomes = await store.create_all(objects)
    assert [type(outcome) for outcome in outcomes] == [
        ExistsError if path == "a/1" else type(None) for path, _ in objects
    ]
    for path, data in objects:
        found = await store.get(path)
        assert found is not None
        assert found.data == (b"there" if path == "a/1" else data)
    assert all(isinstance(outcome, ExistsError) for outcome in await store.create_all(objects))
    assert len(await listed(store)) == len(objects)
    assert list(await store.create_all([])) == []


async def test_of_many_who_create_the_same_ones_one_wins_each(store: Store) -> None:
    calls = [[(f"a{number % 7}/{number}", b"%d" % caller) for number in range(30)] for caller in range(4)]
    answers = await asyncio.gather(*(store.create_all(objects) for objects in calls))
    for number in range(30):
        winners = [caller for caller, outcomes in enumerate(answers) if outcomes[number] is None]
        found = await store.get(f"a{number % 7}/{number}")
        assert found is not None
        assert [found.data] == [b"%d" % caller for caller in winners]


async def test_the_version_that_was_read_can_be_replaced(store: Store) -> None:
    await store.create("a/b", b"first")
    first = await store.get("a/b")
    assert first is not None
    await store.replace("a/b", b"second", first.etag)
    with pytest.raises(ChangedError):
        await store.replace("a/b", b"third", first.etag)
    found = await store.get("a/b")
    assert found is not None
    assert found.data == b"second"
    assert found.etag != first.etag


async def test_what_is_gone_cannot_be_replaced(store: Store) -> None:
    await store.create("a/b", b"first")
    first = await store.get("a/b")
    assert first is not None
    await store.delete("a/b")
    with pytest.raises(ChangedError):
        await store.replace("a/b", b"second", first.etag)
    assert await store.get("a/b") is None


async def test_deleting_twice_is_no_error(store: Store) -> None:
    await store.create("a/b", b"")
    await store.delete("a/b")
    await store.delete("a/b")
    assert await listed(store) == []


async def test_listing_begins_behind_an_offset_and_stays_in_its_folder(store: Store) -> None:
    for number in (0, 9, 10, 100):
        await store.create(f"c/t/0/{number:020d}.json", b"x" * number)
    for other in ("c/t/00/0.json", "c/t/1/0.json", "c/t.json", "c/t/0-1.json"):
        await store.create(other, b"")
    every = [(f"c/t/0/{number:020d}.json", number) for number in (0, 9, 10, 100)]
    assert await listed(store, "c/t/0/") == every
    assert await listed(store, "c/t/0/", f"c/t/0/{9:020d}.json") == every[2:]
    assert await listed(store, "c/t/0/", f"c/t/0/{10:020d}") == every[2:]
    assert await listed(store, "c/t/0/", f"c/t/0/{100:020d}.json") == []
    assert await listed(store, "none/") == []
    assert len(await listed(store)) == 8


async def test_more_than_a_page_is_listed(store: Store) -> None:
    slots = asyncio.Semaphore(32)

    async def create(number: int) -> None:
        async with slots:
            await store.create(f"many/{number:05d}", b"")

    await asyncio.gather(*(create(number) for number in range(1050)))
    assert [path for path, _ in await listed(store, "many/")] == [
        f"many/{number:05d}" for number in range(1050)
    ]


async def test_a_large_object_is_created_whole_and_once(store: Store) -> None:
    data = bytes(range(256)) * (48 << 10)
    await store.create("large", data)
    with pytest.raises(ExistsError):
        await store.create("large", data)
    found = await store.get("large")
    assert found is not None
    assert found.data == data


async def test_a_server_that_is_away_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, server: S3Server | None, tmp_path: Path
) -> None:
    if server is None:
        (tmp_path / "file").write_bytes(b"")
        store: Store = store_at(f"file://{tmp_path}/file/below")
        where = str(tmp_path)
    else:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        store, where = store_at(f"s3://{BUCKET}/p"), f"s3://{BUCKET}/p/a"
    outcomes = await store.create_all([(f"a/{number}", b"") for number in range(200)])
    assert {type(outcome) for outcome in outcomes} == {StoreError}
    with pytest.raises(StoreError, match=where) as raised:
        await store.create("a", b"")
    assert "\n" not in str(raised.value)


async def test_wrong_credentials_and_a_missing_bucket_are_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, server: S3Server | None
) -> None:
    if server is None or server.kind == "moto":
        pytest.skip("this store asks nobody who he is")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match="s3://no-such-bucket/"):
        await store_at("s3://no-such-bucket/p").create("a", b"")
    with pytest.raises(StoreError, match="s3://no-such-bucket/"):
        await listed(store_at("s3://no-such-bucket/p"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    wrong = store_at(f"s3://{BUCKET}/p")
    with pytest.raises(StoreError, match=rf"s3://{BUCKET}/p/a: .*403.*\(SignatureDoesNotMatch\)$"):
        await wrong.create("a", b"")
    with pytest.raises(StoreError):
        await wrong.get("a")
    with pytest.raises(StoreError):
        await listed(wrong)
