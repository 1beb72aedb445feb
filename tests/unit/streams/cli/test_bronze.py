"""`sluice bronze cat`, `ls` and `verify` on a folder that was written as the worker does."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.bronze.commit import Committer
from streams.cli.main import main
from streams.doctor.finding import GOOD, WRONG, Finding, Patient
from streams.doctor.folders import bronze as bronze_check
from streams.settings import Settings
from streams.store import pending_ranges
from streams.store.local import LocalStore
from tests.support.bronze import built, records
from tests.support.events import click

TOPIC = "events.raw"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_ranges, "LOOK_SECONDS", 0.0)


def odd(number: int, member: bytes) -> bytes:
    """An accepted event with a member of which nobody knows anything."""
    return click(number).replace(b'"source"', b'"odd": ' + member + b', "source"')


ODD = [
    click(0, occurred_at="2026-03-01T09:00:00z"),
    odd(1, b"1e308"),
    odd(2, b"18446744073709551615"),
    odd(3, b"[" * 63 + b"]" * 63).replace(b"T12:", b"T11:"),
    odd(4, b'"caf\xc3\xa9 \\u00e9", "even": 1.50'),
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


def become_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


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


@pytest.mark.parametrize("command", ["ls", "cat", "verify"])
@pytest.mark.parametrize(
    "limit",
    [
        ("--to", "0001-01-01"),
        ("--from", "0001-01-01T00:00:00+14:00"),
        ("--to", "9999-12-31T23:59:59-14:00"),
        ("--from", "yesterday"),
    ],
)
def test_times_that_are_none_are_wrong_usage(odd_rows: Path, command: str, limit: tuple[str, str]) -> None:
    done = bronze(odd_rows, command, *limit)
    assert done.exit_code == 2
    assert limit[0] in done.stderr
    assert limit[1] in done.stderr


@pytest.mark.parametrize("limit", [("--from", "0001-01-01"), ("--to", "9999-12-31T23:59:59.999999Z")])
def test_the_first_and_the_last_moment_are_times(odd_rows: Path, limit: tuple[str, str]) -> None:
    assert len(bronze(odd_rows, "cat", *limit).stdout_bytes.splitlines()) == len(ODD)


def test_dates_choose_what_verify_reads(odd_rows: Path) -> None:
    def rows(*limits: str) -> int:
        done = bronze(odd_rows, "verify", "--json", *limits)
        assert done.exit_code == 0, done.output
        counted: int = json.loads(done.stdout)["rows"]
        return counted

    assert rows() == 7
    assert rows("--event", "search.click") == 6
    assert rows("--to", "9999-12-31", "--from", "2026-03-02") == 0


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda folder: next((folder / "_commits").rglob("*.json")).write_bytes(b"{"), "corrupt"),
        (lambda folder: (folder / "_commits" / "README").touch(), "corrupt"),
        (lambda folder: next(folder.glob("event=*/*/*.gz")).unlink(), "missing"),
        (shutil.rmtree, "missing"),
        (become_a_file, "unreadable"),
    ],
)
def test_whatever_is_wrong_verify_says_so_in_json_too(
    odd_rows: Path, spoil: Callable[[Path], object], kind: str
) -> None:
    spoil(odd_rows)
    done = bronze(odd_rows, "verify", "--json")
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert json.loads(done.stdout)["problems"][0]["kind"] == kind
    told = bronze(odd_rows, "verify")
    assert told.exit_code == 1
    assert f"FAIL  {kind}: " in told.stdout


@pytest.mark.parametrize("command", ["ls", "cat"])
def test_what_cannot_be_read_is_one_line(odd_rows: Path, command: str) -> None:
    (odd_rows / "_intents" / "README").touch()
    assert bronze(odd_rows, command).exit_code == 0
    (odd_rows / "_commits" / "README").touch()
    done = bronze(odd_rows, command)
    assert done.exit_code == 1
    assert done.stderr.startswith("sluice: _commits/README is no commit")


async def doctored(url: str) -> Finding:
    (finding,) = await bronze_check(Patient(Settings.load({"SLUICE_BRONZE_URL": url}), 10.0))
    return finding


@pytest.mark.parametrize("is_file", [True, False])
async def test_doctor_takes_neither_a_file_nor_nothing_for_bronze(tmp_path: Path, is_file: bool) -> None:
    url = tmp_path / "store"
    if is_file:
        url.touch()
    check = await doctored(url.as_uri())
    assert check.state == WRONG
    assert ("Not a directory" if is_file else "does not exist") in check.found


async def test_doctor_sees_a_bronze_that_cannot_be_written(odd_rows: Path) -> None:
    assert (await doctored(odd_rows.as_uri())).state == GOOD
    check = await doctored("file:///proc")  # nobody can write there, root neither
    assert check.state == WRONG
    assert "cannot write file:///proc" in check.found


async def test_doctor_does_not_have_objects_deleted_that_a_worker_will_commit(odd_rows: Path) -> None:
    (commit,) = (odd_rows / "_commits").rglob("*.json")
    commit.unlink()
    robbed = await doctored(odd_rows.as_uri())
    assert robbed.state == WRONG
    assert "the next worker writes it" in robbed.found
    assert "delete" not in robbed.mend
    shutil.rmtree(odd_rows / "_intents")
    left = await doctored(odd_rows.as_uri())
    assert "is in no commit (and 1 more)" in left.found
    assert "delete" in left.mend


def test_events_are_a_comma_list_and_an_unknown_one_is_wrong_usage(odd_rows: Path) -> None:
    every = {
        line.split("event=")[1].split("/")[0]
        for line in bronze(odd_rows, "ls").stdout.splitlines()
        if "event=" in line
    }
    assert every
    listed = bronze(odd_rows, "ls", "--event", ",".join(sorted(every)) + ", search.click")
    assert listed.exit_code == 0
    for command in ("ls", "cat", "verify"):
        done = bronze(odd_rows, command, "--event", "serch.click")
        assert done.exit_code == 2
        assert "no such event: serch.click; did you mean search.click?" in done.stderr
        assert bronze(odd_rows, command, "--event", "search.click,").exit_code == 2


def test_times_of_bronze_may_be_in_milliseconds(odd_rows: Path) -> None:
    def listed(*options: str) -> str:
        return bronze(odd_rows, "cat", *options).stdout

    assert listed("--from", "-62135596800000", "--to", "253402300799999") == listed()
    assert listed("--from", "253402300799999") == ""
    assert bronze(odd_rows, "cat", "--from", "253402300800000").exit_code == 2
