"""What is written to Bronze is read by DuckDB and by Python's json as it was counted, and nothing else is."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from tests.support.bronze import Record, built

AT_MS = 1_772_366_400_000  # 2026-03-01T12:00:00Z
LINE = (
    '{"event_id":"e%d","event":"charge.succeeded","version":1,"occurred_at":"2026-03-01T12:00:00Z","source":"s",'
    '"payload":{"charge_id":"c","booking_id":"b","amount_minor":%s,"currency":"EUR"%s}%s}'
)
SUM = (
    "SELECT count(*), sum(payload.amount_minor), count(_kafka.offset)"
    " FROM read_json(?, format='newline_delimited')"
)


def charge(number: int, amount: str = "100", inside: str = "", outside: str = "") -> bytes:
    return (LINE % (number, amount, inside, outside)).encode()


UNLIKE = [
    charge(9, inside=',"amount_minor":1250'),
    charge(9, '1,"amount_minor":1250'),
    charge(9, inside=',"amount_\\u006dinor":1250'),
    charge(9, inside=',"Amount_minor":1250'),
    charge(9, outside=',"City":"rome"'),
    charge(9, inside=',"x":1,"x":2'),
    charge(9, inside=',"x":{"a":[{"b":1,"B":1}]}'),
    charge(9, outside=',"x":1e999'),
    charge(9, outside=',"x":' + "9" * 5_000),
    charge(9, outside=',"x":' + "[" * 1_000 + "]" * 1_000),
    charge(9, outside=',"x":' + '{"a":' * 127 + "1" + "}" * 127),
    charge(9, outside=',"x":0e309'),
    charge(9, outside=',"x":-0.000E313'),
    charge(9, outside=',"x":[{"y":1e-99999999999999999999}]'),
    charge(9, inside=',"":1'),
    charge(9, outside=',"x":"\\ud83d"'),
    charge(9, outside=',"_KAFKA":{}'),
    charge(9, outside=',"_kafka":1,"_kafka":2'),
]
ALIKE = [
    charge(9, "1250"),
    charge(9, "1250", outside=',"city":null,"trace_id":null'),
    charge(9, "1250", outside=',"_kafka":{"topic":"t","partition":0,"offset":1,"timestamp_ms":2}'),
    charge(9, "1250").replace(b"{", b'{ "\\u005fkafka" : [{"a":"}"}, 1] , ', 1),
    charge(9, "1250", inside=',"_kafka":{"a":1}'),
    charge(
        9,
        "1250",
        inside=',"x":[1.5e308,-9223372036854775808,18446744073709551615,-0.0,1e-999,0e308,0e-400,1e-9999,0e0000000001]',
    ),
    charge(9, "1250", inside=',"x":' + "[" * 62 + "]" * 62),
    charge(9, "1250", inside=',"x":{"a\\u0000":"\\u0000","a":"\ufeff\\"\\\\","b.c":[],"d":{}}'),
    charge(9, "1250", outside=',"amount_minor":7,"x":{"amount_minor":8}'),
    charge(9, "\n1250 ", outside='\r\n,\t"x" : "\u2028\x7f\x85"'),
]


def written(folder: Path, *values: bytes) -> Path:
    """The rows that these records become, in one file."""
    made = built([Record(number, AT_MS, value) for number, value in enumerate(values)])
    rows = [gzip.decompress(one.data) for one in made.objects if not one.path.startswith("_bad/")]
    path = folder / "rows.ndjson"
    path.write_bytes(b"".join(rows))
    return path


def sums(path: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Rows, money and offsets, as DuckDB and as Python's json read them."""
    with duckdb.connect() as connection:
        found = connection.execute(SUM, [str(path)]).fetchone()
    assert found is not None
    rows = [json.loads(line) for line in path.read_bytes().splitlines(keepends=True)]
    money = sum(row["payload"]["amount_minor"] for row in rows)
    return tuple(map(int, found)), (len(rows), money, sum("offset" in row["_kafka"] for row in rows))


@pytest.mark.parametrize("value", UNLIKE, ids=range(len(UNLIKE)))
def test_what_is_not_read_alike_is_quarantined(tmp_path: Path, value: bytes) -> None:
    assert isinstance(Validator().validate(value, AT_MS), Quarantined)
    assert sums(written(tmp_path, charge(1), value, charge(2))) == ((2, 200, 2), (2, 200, 2))


@pytest.mark.parametrize("value", ALIKE, ids=range(len(ALIKE)))
def test_what_is_accepted_is_read_as_it_was_counted(tmp_path: Path, value: bytes) -> None:
    event = Validator().validate(value, AT_MS)
    assert not isinstance(event, Quarantined)
    assert event.payload.amount_minor == 1250
    path = written(tmp_path, charge(1), value, charge(2))
    assert sums(path) == ((3, 1450, 3), (3, 1450, 3))
    pairs = [json.loads(line, object_pairs_hook=list) for line in path.read_bytes().split(b"\n") if line]
    assert all([name for name, _ in row].count("_kafka") == 1 for row in pairs)
