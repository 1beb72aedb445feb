"""`sluice bronze cat`, `ls` and `verify` on a folder that was written as the worker does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.bronze_commit import Committer
from streams.cli.main import main
from streams.store.local import LocalStore
from tests.bronze import built
from tests.unit.test_bronze_range import click, records

TOPIC = "events.raw"


def odd(number: int, member: bytes) -> bytes:
    """An accepted event with a member of which nobody knows anything."""
    return click(number).replace(b'"source"', b'"odd": ' + member + b', "source"')


ODD = [
    click(0, occurred_at="2026-03-01T09:00:00z"),
    odd(1, b"1e400"),
    odd(2, b"9" * 5000),
    odd(3, b"[" * 20_000 + b"]" * 20_000).replace(b"T12:", b"T11:"),
    odd(4, b'"caf\xc3\xa9 \\u00e9", "odd": 1.50'),
    click(5, occurred_at="2026-02-28T23:30:00-02:00"),
]


def write(folder: Path, *ranges: list[bytes | None]) -> None:
    """Commit these values as one range after the other."""

    async def commit_all() -> None:
        committer = Committer(LocalStore(folder), TOPIC, 0, "writer", lambda *_: None)
        first = 0
        for values in ranges:
            await committer.commit(built(records(*values, first=first), first))
            first += len(values)

    asyncio.run(commit_all())


def bronze(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["bronze", *arguments], env={"SLUICE_BRONZE_URL": folder.as_uri()})


@pytest.fixture
def odd_rows(tmp_path: Path) -> Path:
    write(tmp_path, [*ODD, b"no event"])
    return tmp_path


def without_kafka(line: bytes) -> bytes:
    return line[: line.rindex(b',"_kafka":')] + b"}"


def test_rows_are_written_as_they_are_whatever_is_in_them(odd_rows: Path) -> None:
    done = bronze(odd_rows, "cat")
    assert done.exit_code == 0, done.exception
    assert sorted(map(without_kafka, done.stdout_bytes.splitlines())) == sorted(ODD)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (["--to", "2026-03-01T11:00:00Z"], [0, 5]),
        (["--from", "2026-03-01T12:00:00Z", "--to", "2026-03-01T13:00:00Z"], [1, 2, 4]),
        (["--from", "2026-03-01T01:30:00.000001Z", "--to", "2026-03-01T11:00:00.000001Z"], [0, 3]),
        (["--from", "2026-03-01"], [0, 1, 2, 3, 4, 5]),
        (["--to", "2026-03-01"], []),
    ],
)
def test_rows_are_chosen_by_when_they_occurred(
    odd_rows: Path, limits: list[str], expected: list[int]
) -> None:
    done = bronze(odd_rows, "cat", *limits)
    assert done.exit_code == 0, done.exception
    assert sorted(map(without_kafka, done.stdout_bytes.splitlines())) == sorted(ODD[i] for i in expected)


def test_the_list_in_json_has_the_same_bytes(odd_rows: Path) -> None:
    lines = bronze(odd_rows, "cat").stdout_bytes.splitlines()
    assert bronze(odd_rows, "cat", "--json").stdout_bytes == b"[" + b",".join(lines) + b"]\n"
    assert json.loads(bronze(odd_rows, "cat", "--json", "--from", "2027-01-01").stdout) == []
