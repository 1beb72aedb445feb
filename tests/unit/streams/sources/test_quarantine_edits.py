"""A file of edited records is read line by line: only where they begin is kept."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from agents.quarantine.record import Position, QuarantineRecord
from streams.sources.quarantine_edits import Edits, EditsError

LINES, LINE_BYTES = 4_000, 2_000


def record(offset: int) -> QuarantineRecord:
    return QuarantineRecord(Position(1, offset), "", "", "", "", "t", 0, 0, "", None, None)


def test_any_record_is_found_and_the_file_is_not_held_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "edited.ndjson"
    with file.open("w", encoding="utf-8") as out:
        for number in range(LINES):
            value = {"n": number, "pad": "ü" * LINE_BYTES}
            out.write(json.dumps({"id": f"1:{number}", "why": 1, "value": value}, ensure_ascii=False) + "\n")
    tracemalloc.start()
    try:
        with Edits(file) as edits:
            assert edits.of(record(LINES)) is None
            for number in (LINES - 1, 0, 17):
                assert json.loads(edits.of(record(number)) or b"")["n"] == number
            held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < file.stat().st_size / 10


def test_what_is_wrong_with_a_line_is_told_without_it(tmp_path: Path) -> None:
    file = tmp_path / "edited.ndjson"
    file.write_bytes(b'{"id":"1:1","value":{}}\n{"id":"1:2","value":\xff"secret"}\n')
    with pytest.raises(EditsError, match="line 2") as told, Edits(file):
        pass
    assert "secret" not in str(told.value)
    with pytest.raises(EditsError, match="No such file"), Edits(tmp_path / "none"):
        pass
