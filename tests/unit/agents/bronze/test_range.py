"""Ranges: what objects they become, and where they end."""

from __future__ import annotations

import gzip
import json
from urllib.parse import unquote

import pytest

from agents.bronze.files import Intent, ObjectEntry
from agents.bronze.gzip import crc32c
from agents.bronze.layout import Layout, layout_of, layout_of_intent
from tests.support.bronze import FORMER, Record, builder, built, records
from tests.support.events import AT_MS, click, declined
from tests.support.wire import encoded, known

NAME = "events.raw+0+00000000000000000000-00000000000000000005.ndjson.gz"


def placed(layout: Layout | None, *values: bytes | None) -> dict[str, int]:
    """Rows by path."""
    made = built(records(*values), layout=layout)
    for _, rows, data in made.objects:
        lines = gzip.decompress(data).splitlines()
        assert len(lines) == rows
        offsets = [json.loads(line)["_kafka"]["offset"] for line in lines]
        assert offsets == sorted(offsets)
    return {made_object.path: made_object.rows for made_object in made.objects}


MIXED = (
    click(0, city="berlin"),
    click(1),
    declined(2, city="berlin"),
    declined(3, occurred_at="2026-03-01T01:30:00+02:00"),
    declined(4, occurred_at="2026-02-28T23:59:59.999999Z"),
    b"nonsense\n",
)


def test_all_objects_lie_at_one_depth_by_event_and_day() -> None:
    assert placed(None, *MIXED) == {
        f"event=search.click/dt=2026-03-01/{NAME}": 2,
        f"event=booking.declined/dt=2026-03-01/{NAME}": 1,
        f"event=booking.declined/dt=2026-02-28/{NAME}": 2,
        f"_bad/code=EVENT_ENVELOPE_INVALID/dt=2026-03-01/{NAME}": 1,
    }


def test_the_domains_that_were_chosen_have_a_city_level() -> None:
    assert placed(layout_of(["search", "promotions"]), *MIXED) == {
        f"event=search.click/dt=2026-03-01/city=berlin/{NAME}": 1,
        f"event=search.click/dt=2026-03-01/city=__HIVE_DEFAULT_PARTITION__/{NAME}": 1,
        f"event=booking.declined/dt=2026-03-01/{NAME}": 1,
        f"event=booking.declined/dt=2026-02-28/{NAME}": 2,
        f"_bad/code=EVENT_ENVELOPE_INVALID/dt=2026-03-01/{NAME}": 1,
    }


def test_no_city_is_called_as_null_is_whatever_the_case() -> None:
    cities = [None, "__none__", "__hive_default_partition__", "hive_default_partition", "null", "-", "_"]
    paths = placed(layout_of(["search"]), *(click(number, city=city) for number, city in enumerate(cities)))
    assert len({path.lower() for path in paths}) == len(cities), "also where case makes no difference"
    found = {unquote(path.split("/")[2].removeprefix("city=")) for path in paths}
    assert found == {city or "__HIVE_DEFAULT_PARTITION__" for city in cities}


@pytest.mark.parametrize("layout", [layout_of(["search"]), FORMER])
def test_objects_by_city_do_not_depend_on_batches(layout: Layout) -> None:
    many = records(*(click(number, city=[None, "__none__", "rome"][number % 3]) for number in range(9)))
    one_by_one = builder(layout=layout)
    for record in many:
        one_by_one.add([record], record.offset + 1)
    one_by_one.close()
    assert one_by_one.objects() == built(many, layout=layout).objects


@pytest.mark.parametrize("of", [Layout(), layout_of(["search"]), layout_of(["bookings"]), FORMER])
@pytest.mark.parametrize("now", [Layout(), layout_of(["search"]), layout_of(["bookings", "search"])])
def test_the_layout_of_a_range_that_was_begun_is_known_by_its_objects(of: Layout, now: Layout) -> None:
    made = built(records(*MIXED), layout=of)
    entries = tuple(ObjectEntry(path, rows, len(data), "") for path, rows, data in made.objects)
    intent = Intent(first=0, last=5, next=6, objects=entries, nonce="other")
    assert built(records(*MIXED), layout=layout_of_intent(intent, now)).objects == made.objects


@pytest.mark.parametrize(
    ("timestamp_ms", "date"),
    [
        (-(2**63), "1970-01-01"),
        (-1, "1970-01-01"),
        (253_402_300_799_999, "9999-12-31"),
        (AT_MS * 1000, "9999-12-31"),
        (2**63 - 1, "9999-12-31"),
    ],
)
def test_a_bad_record_has_a_date_whatever_its_timestamp(timestamp_ms: int, date: str) -> None:
    made = built([Record(0, timestamp_ms, None)])
    assert made.objects[0].path.startswith(f"_bad/code=EVENT_ENVELOPE_INVALID/dt={date}/")
    assert json.loads(gzip.decompress(made.objects[0].data))["_kafka"]["timestamp_ms"] == timestamp_ms


def test_an_avro_record_is_its_object_as_json() -> None:
    schema = {
        "type": "record", "name": "Event",
        "fields": [
            *({"name": name, "type": "string"} for name in ("event_id", "event", "occurred_at", "source")),
            {"name": "version", "type": "int"},
            {"name": "payload", "type": {"type": "map", "values": "string"}},
        ],
    }  # fmt: skip
    value = json.loads(declined(0))
    made = builder(schemas=known({17: schema}))
    made.add([Record(0, AT_MS, encoded(17, schema, value))], 1)
    made.close()
    (found,) = made.objects()
    row = json.loads(gzip.decompress(found.data))
    assert row.pop("_kafka")["offset"] == 0
    assert row == value


def test_a_range_ends_with_the_record_that_fills_it() -> None:
    many = records(*(click(number) for number in range(10)))
    size = len(many[0].value or b"")
    made = builder(max_bytes=3 * size)
    assert made.add(many, 10) == 3
    assert made.full
    assert (made.first, made.next, made.raw_bytes) == (0, 3, 3 * size)


def test_a_range_reaches_over_what_is_no_record() -> None:
    made = builder(5)
    assert made.add([], 9) == 0
    assert (made.next, made.empty, made.rows) == (9, False, 0)
    assert made.add(records(click(1), first=11), 20) == 1
    assert made.next == 20


@pytest.mark.parametrize(("until", "taken"), [(4, 4), (6, 4), (8, 6), (20, 10)])
def test_a_range_whose_end_is_settled_ends_there(until: int, taken: int) -> None:
    gap = [
        record for record in records(*(click(number) for number in range(12))) if record.offset not in (4, 5)
    ]
    made = builder(until=until, max_bytes=1)
    assert made.add(gap, 12) == taken
    assert made.full is (until < 20)
    assert made.next == min(until, 12)


def test_what_was_lost_is_at_the_beginning_of_the_range() -> None:
    made = builder(3)
    made.lose(9)
    made.add(records(click(0), first=9), 10)
    assert (made.first, made.next, made.lost) == (3, 10, (3, 9))


def test_memory_is_given_back_as_segments_are_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.bronze.range.SEGMENT_BYTES", 1 << 20)
    made = builder()
    for start in range(0, 40_000, 1000):
        made.add(
            records(*(click(number) for number in range(start, start + 1000)), first=start), start + 1000
        )
    assert made.raw_bytes > 7 << 20
    assert made.held_bytes < 3 << 20


def test_crc32c_is_as_s3_writes_it() -> None:
    assert crc32c(b"123456789") == "4waSgw=="  # 0xE3069283, the check value of CRC-32C
    assert ObjectEntry("p", 1, 2, "x").rows == 1
