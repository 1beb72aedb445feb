"""Folders for records: gone with their process, and deleted by the next one if it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.verify.question import MODULE
from streams.verify.scratch import OF_EXPLANATIONS, OF_PROOFS, in_use, remove_left, scratch
from tests.support.kafka import wait_until
from tests.support.programs import started

USES_ONE = (
    "import sys\nfrom streams.verify.scratch import scratch\n"
    "with scratch() as folder:\n"
    "    (folder / 'records.duckdb').write_bytes(b'much')\n"
    "    print(folder, flush=True)\n"
    "    sys.stdin.read()\n"
)


@contextmanager
def using(below: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that uses a folder until its standard input ends."""
    environ = {**os.environ, "TMPDIR": str(below)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with started([sys.executable, "-c", USES_ONE], env=environ, text=True, **pipes) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        yield program, Path(program.stdout.readline().strip())
        program.stdin.close()


def aged(folder: Path, seconds: float = 3600.0) -> Path:
    then = time.time() - seconds
    os.utime(folder, (then, then))
    return folder


def test_it_is_gone_with_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch() as folder:
        assert folder.parent == tmp_path
        (folder / "records.duckdb").write_bytes(b"much")
        remove_left(aged(folder).parent)
        assert (folder / "records.duckdb").exists(), "it is in use"
    assert [*tmp_path.iterdir()] == []


def test_that_of_a_process_that_was_killed_is_deleted_once_it_is_no_longer_young(tmp_path: Path) -> None:
    with using(tmp_path) as (program, left):
        remove_left(aged(left).parent)
        assert (left / "records.duckdb").exists(), "it is in use"
        program.send_signal(signal.SIGKILL)
        program.wait(60)
        os.utime(left)
        remove_left(tmp_path)
        assert left.exists(), "who has just made it may be about to lock it"
        remove_left(aged(left).parent)
        assert not left.exists()


def test_the_next_process_deletes_it(tmp_path: Path) -> None:
    for beginning in (OF_PROOFS, OF_EXPLANATIONS):
        (tmp_path / f"{beginning}left/within").mkdir(parents=True)
        aged(tmp_path / f"{beginning}left")
    with using(tmp_path) as (_, folder):
        assert [*tmp_path.iterdir()] == [folder]


async def test_a_process_that_explains_uses_the_folder_that_the_api_has_made(tmp_path: Path) -> None:
    own, left = (tmp_path / f"{OF_EXPLANATIONS}{name}" for name in ("own", "left"))
    for folder in (own, left):
        folder.mkdir()
        aged(folder)
    environ = {**os.environ, "TMPDIR": str(own), "SLUICE_EXPLAIN_SECONDS": "300"}
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with started([sys.executable, "-m", MODULE], env=environ, **pipes) as program:
        await wait_until(lambda: not left.exists(), "the other one to be gone", seconds=60)
        remove_left(aged(own).parent)
        assert own.exists()
        program.kill()
        program.wait(60)
        remove_left(aged(own).parent)
        assert not own.exists()


def test_nothing_else_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [tmp_path / name for name in ("sluice-other", f"{OF_PROOFS}used", "target")]
    for folder in others:
        folder.mkdir()
    (tmp_path / f"{OF_PROOFS}link").symlink_to(tmp_path / "target")
    (tmp_path / f"{OF_PROOFS}file").write_text("no folder")
    there = {path: aged(path) for path in tmp_path.iterdir()}
    with in_use(tmp_path / f"{OF_PROOFS}used"):
        remove_left(tmp_path)
        assert {*tmp_path.iterdir()} == {*there}
    somebody_else = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody_else)
    remove_left(tmp_path)
    assert {*tmp_path.iterdir()} == {*there}, "those of others are left"
