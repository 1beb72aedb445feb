"""What local files do beyond `test_store.py`: what a crash leaves, and a disk that is full."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from agents.bronze_store import StoreError
from streams.store.local import LEFTOVER_SECONDS, PARTS, LocalStore


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
