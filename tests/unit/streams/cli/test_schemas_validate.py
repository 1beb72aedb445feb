"""`sluice schemas validate` judges files as the pipeline would, and never shows a value."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from schemas.catalogue import EVENTS
from schemas.json_schema import whole_event
from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from streams.cli.main import main
from streams.sources.files import InputFile
from streams.sources.judging import Judged, judge
from streams.sources.ndjson import Ndjson
from tests.support.events import AT_MS, click, declined, event

SECRET = "4711-secret"
BAD = [
    (declined(1, version=2), "EVENT_SCHEMA_INVALID", "unknown_version", "booking.declined", ""),
    (event("no.such", 2, {}), "EVENT_SCHEMA_INVALID", "unknown_event", "", ""),
    (event("search.click", 3, {"session_id": SECRET, "listing_id": "l", "position": SECRET}),
     "EVENT_SCHEMA_INVALID", "payload_field", "search.click", "position"),
    (click(4, occurred_at=SECRET), "EVENT_ENVELOPE_INVALID", "envelope_field", "search.click", "occurred_at"),
    (click(5, occurred_at="2026-03-01T13:00:00Z"), "EVENT_ENVELOPE_INVALID", "in_future", "search.click", ""),
    (SECRET.encode(), "EVENT_ENVELOPE_INVALID", "not_json", "", ""),
    (b'["' + SECRET.encode() + b'"]', "EVENT_ENVELOPE_INVALID", "not_object", "", ""),
    (click(6, source="x" * 70_000), "EVENT_ENVELOPE_INVALID", "too_large", "", ""),
]  # fmt: skip


def validate(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["schemas", "validate", *arguments], input=stdin)


def mixed(tmp_path: Path) -> Path:
    lines = [line for value, *_ in BAD for line in (click(9), value, b"")]
    path = tmp_path / "mixed.ndjson"
    path.write_bytes(b"\n".join(lines))
    return path


def test_each_bad_event_is_one_line_without_its_value(tmp_path: Path) -> None:
    path = mixed(tmp_path)
    done = validate(str(path), "--at", str(AT_MS))
    assert done.exit_code == 1
    told = done.stdout.splitlines()
    for number, (_, code, reason, name, field) in enumerate(BAD):
        about = " ".join(filter(None, (code, reason, name, field)))
        assert told[number].startswith(f"{path}:{3 * number + 2}: {about}: ")
    assert told[len(BAD)] == f"{len(BAD)} of {2 * len(BAD)} events are bad:"
    assert SECRET not in done.output


def test_the_same_as_json(tmp_path: Path) -> None:
    path = mixed(tmp_path)
    done = validate(str(path), "--at", str(AT_MS), "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert (answer["judged"], answer["bad_count"]) == (2 * len(BAD), len(BAD))
    found = [(bad["line"], bad["code"], bad["reason"], bad["event"], bad["field"]) for bad in answer["bad"]]
    assert found == [(3 * number + 2, *expected[1:]) for number, expected in enumerate(BAD)]
    assert SECRET not in done.output


def test_every_verdict_is_the_pipelines(tmp_path: Path) -> None:
    for value, *_ in BAD:
        (tmp_path / "one").write_bytes(value)
        (bad,) = judge(Ndjson(InputFile(str(tmp_path / "one")), force=True), Validator(), AT_MS, Judged())
        assert bad.verdict == Validator().validate(value, AT_MS)
        assert isinstance(bad.verdict, Quarantined)


def good() -> list[dict[str, Any]]:
    return [whole_event(spec, number) for spec in EVENTS.values() for number in range(len(spec.examples))]


@pytest.mark.parametrize("form", ["ndjson", "gzip", "array", "utf-16"])
def test_good_events_of_every_kind_of_file(form: str, tmp_path: Path) -> None:
    lines = "\n".join(map(json.dumps, good()))
    data = {
        "ndjson": lines.encode(), "gzip": gzip.compress(lines.encode()), "array": json.dumps(good()).encode(),
        "utf-16": lines.encode("utf-16"),
    }[form]  # fmt: skip
    (tmp_path / "events").write_bytes(data)
    done = validate(str(tmp_path / "events"))
    assert (done.exit_code, done.stdout) == (0, f"{len(good())} events, all good\n")
    done = validate(str(tmp_path / "events"), "--json")
    assert json.loads(done.stdout) == {
        "bad": [], "files": [str(tmp_path / "events")], "judged": len(good()), "bad_count": 0, "error": None,
    }  # fmt: skip


def test_files_that_cannot_be_judged(tmp_path: Path) -> None:
    done = validate(str(tmp_path / "none"))
    assert (done.exit_code, "cannot be opened" in done.stderr) == (1, True)
    (tmp_path / "empty").touch()
    done = validate(str(tmp_path / "empty"))
    assert (done.exit_code, "there is no event to judge" in done.stderr) == (2, True)
    (tmp_path / "cut.gz").write_bytes(gzip.compress(click(1) + b"\n" + click(2, version=2) * 1000)[:-200])
    for form in ((), ("--json",)):
        done = validate(str(tmp_path / "cut.gz"), *form)
        assert done.exit_code == 1
        assert str(tmp_path / "cut.gz") in done.stderr
    assert json.loads(done.stdout)["error"] in done.stderr


def test_memory_is_bounded(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = tmp_path / f"{count}"
        with path.open("wb") as file:
            for number in range(count):
                file.write(click(number, city=f"c{number % 7}" if number % 2 else "NO") + b"\n")
        tracemalloc.start()
        try:
            judged = Judged()
            bad = sum(1 for _ in judge(Ndjson(InputFile(str(path)), force=True), Validator(), AT_MS, judged))
            assert (judged.values, bad) == (count, count // 2)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1_000)
    assert peak(32_000) < peak(8_000) + 200_000  # from there on nothing is waiting for the collector
