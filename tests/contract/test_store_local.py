"""What local files do beyond `test_store.py`: what a crash leaves, and a disk that is full."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from agents.bronze.store import ExistsError, StoreError
from streams.store import local, local_files
from streams.store.local import LEFTOVER_SECONDS, PARTS, LocalStore
from tests.support.kafka import wait_until


async def paths(store: LocalStore) -> list[str]:
    return [listed.path async for listed in store.list("")]


async def test_what_a_crash_left_is_no_object_and_is_removed_when_old(tmp_path: Path) -> None:
    parts = tmp_path / PARTS
    parts.mkdir(parents=True)
    old, young = parts / "old", parts / "young"
    for part in (old, young):
        part.write_bytes(b"half an obj")
    long_ago = old.stat().st_mtime - LEFTOVER_SECONDS - 1
    os.utime(old, (long_ago, long_ago))

    store = LocalStore(tmp_path)
    assert await paths(store) == []
    await store.create("a/b", b"whole")
    assert await paths(store) == ["a/b"]
    assert not old.exists()
    assert young.exists()  # perhaps another writer's, of this moment


@pytest.mark.parametrize("below", ["", "below"])
async def test_a_file_is_no_store_and_a_folder_that_is_not_made_yet_is_an_empty_one(
    tmp_path: Path, below: str
) -> None:
    (tmp_path / "file").touch()
    wrong, new = LocalStore(tmp_path / "file" / below), LocalStore(tmp_path / "new" / below)
    with pytest.raises(StoreError, match=r"file.*Not a directory"):
        await paths(wrong)
    assert wrong.exists()
    assert not new.exists()
    assert await paths(new) == []


async def test_nothing_is_left_beside_the_objects(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    await store.create("a/b", b"1")
    found = await store.get("a/b")
    assert found is not None
    await store.replace("a/b", b"2", found.etag)
    assert files_below(tmp_path) == [f"{PARTS}/lock", "a/b"]


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("operation", ["create", "replace"])
async def test_a_full_disk_is_told_and_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    store = LocalStore(tmp_path)
    await store.create("a/there", b"1")
    there = await store.get("a/there")
    assert there is not None

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr("streams.store.local.os.fsync", full)
        with pytest.raises(StoreError, match=r"a/.*No space left on device"):
            await (
                store.create("a/new", b"2")
                if operation == "create"
                else store.replace("a/there", b"2", there.etag)
            )
    assert await paths(store) == ["a/there"]
    assert await store.get("a/there") == there
    assert [path.name for path in (tmp_path / PARTS).iterdir() if path.name != "lock"] == []


class Disk:
    """What of a folder survives a power cut: files whose bytes were synced, where folders know of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.syncs: list[str] = []
        self._root = root
        self._whole: set[int] = set()
        self._entries: set[tuple[str, str]] = set()
        real = os.fsync

        def fsync(descriptor: int) -> None:
            real(descriptor)
            path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
            self.syncs.append(path)
            if os.path.isdir(path):  # noqa: PTH112
                self._entries |= {(path, name) for name in os.listdir(path)}  # noqa: PTH208
            else:
                self._whole.add(os.fstat(descriptor).st_ino)

        monkeypatch.setattr("os.fsync", fsync)

    def survives(self, path: str) -> bool:
        file = self._root / path
        inner = [file, *file.parents]
        below = inner[: inner.index(self._root)]
        return file.stat().st_ino in self._whole and all(
            (str(entry.parent), entry.name) in self._entries for entry in below
        )


@pytest.mark.parametrize("by_another", [False, True])
async def test_what_was_answered_survives_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_another: bool
) -> None:
    paths = [f"event=e{number % 3}/dt={number % 50}/{number}" for number in range(150)]
    if by_another:  # it made all folders and some objects, and died before it synced any
        for number, path in enumerate(paths):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            if number % 2:
                (tmp_path / path).write_bytes(b"")
    disk = Disk(monkeypatch, tmp_path)
    store = LocalStore(tmp_path)
    outcomes = await store.create_all([(path, b"x") for path in paths])
    written = [path for path, outcome in zip(paths, outcomes, strict=True) if outcome is None]
    assert len(written) == (75 if by_another else 150)
    assert [path for path in written if not disk.survives(path)] == []
    await store.create("event=new/dt=1/x", b"x")
    assert disk.survives("event=new/dt=1/x")


async def test_a_folder_is_synced_once_for_all_that_comes_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, tmp_path)
    objects = [(f"event=e/dt={number % 10}/{number}", b"x") for number in range(100)]
    await LocalStore(tmp_path).create_all(objects)
    folders = [path for path in disk.syncs if "dt=" in path]
    assert sorted(folders) == sorted({str(tmp_path / f"event=e/dt={number}") for number in range(10)})
    assert disk.syncs.count(str(tmp_path / "event=e")) == 1, "what is new in it is synced together"


async def test_what_is_there_already_is_not_written_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [(f"event=e/dt={number % 10}/{number}", b"old") for number in range(100)]
    await LocalStore(tmp_path).create_all(objects)
    written: list[bytes] = []

    def write(folder: str, data: bytes) -> str:
        written.append(data)
        return local_files.write_part(folder, data)

    monkeypatch.setattr(local, "write_part", write)
    outcomes = await LocalStore(tmp_path).create_all([*objects, ("event=e/dt=1/new", b"new")])
    assert [type(outcome) for outcome in outcomes] == [ExistsError] * 100 + [type(None)]
    assert written == [b"new"]


async def test_one_that_cannot_be_written_does_not_hold_up_the_others(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    (tmp_path / "a" / "taken").mkdir(parents=True)
    name = "n" * 300
    outcomes = await store.create_all([("a/b", b"1"), (f"a/{name}", b"2"), ("c/d", b"3")])
    assert [type(outcome) for outcome in outcomes] == [type(None), StoreError, type(None)]
    assert await paths(store) == ["a/b", "c/d"]


async def test_who_is_cancelled_stops_soon_and_leaves_only_whole_objects(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    objects = [(f"d{number}/x", b"whole") for number in range(5000)]
    creating = asyncio.create_task(store.create_all(objects))
    await wait_until((tmp_path / "d20" / "x").exists, "it to be half way")
    creating.cancel()
    await asyncio.wait({creating})
    assert creating.cancelled()
    await store.create("last", b"x")  # behind what the threads were doing
    there = [path for path in await paths(store) if path != "last"]
    assert len(there) < 5000
    assert {(tmp_path / path).read_bytes() for path in there} == {b"whole"}
