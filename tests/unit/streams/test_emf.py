"""Lines for CloudWatch: as Amazon's specification has them, and no more than one a code and minute."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from typing import Any

import pytest

from streams.emf import EmfLines
from streams.errors import ErrorCode
from tests.support.json_schema import schema_judge
from tests.support.paths import TESTS

SPECIFICATION = json.loads((TESTS / "support/emf.schema.json").read_text(encoding="utf-8"))
fits = schema_judge(SPECIFICATION)


class Lines:
    """A handler with a clock and a stream of its own."""

    def __init__(self) -> None:
        self.now = 1_772_366_400.0
        self.stream = io.StringIO()
        self.handler = EmfLines(self.stream, lambda: self.now)

    def emit(self, code: ErrorCode, count: int = 1) -> None:
        record = logging.LogRecord("streams.emf", logging.INFO, "", 0, "", (), None)
        record.__dict__.update(code=code.name, count=count)
        self.handler.handle(record)

    def written(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def counts(self) -> list[tuple[str, int]]:
        return [(line["code"], line["Errors"]) for line in self.written()]


@pytest.fixture
def lines() -> Any:
    one = Lines()
    yield one
    one.handler.close()


@pytest.mark.parametrize("code", ErrorCode)
def test_a_line_is_as_the_specification_has_it(lines: Lines, code: ErrorCode) -> None:
    lines.emit(code, 3)
    (document,) = lines.written()
    assert fits(document)
    assert document["_aws"]["Timestamp"] == 1_772_366_400_000
    for described in document["_aws"]["CloudWatchMetrics"]:
        for dimension in (name for dimensions in described["Dimensions"] for name in dimensions):
            assert isinstance(document[dimension], str)
        for metric in described["Metrics"]:
            assert isinstance(document[metric["Name"]], int)


@pytest.mark.parametrize("wrong", [
    {}, {"_aws": {"CloudWatchMetrics": []}}, {"_aws": {"Timestamp": 1.5, "CloudWatchMetrics": []}},
    {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "", "Dimensions": [[]], "Metrics": []}]}},
    {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [
        {"Namespace": "x", "Dimensions": [[]], "Metrics": [{"Name": "x", "Unit": "Pieces"}]}
    ]}},
])  # fmt: skip
def test_what_is_not_is_found(wrong: dict[str, Any]) -> None:
    assert not fits(wrong)


def test_a_flood_is_one_line_a_code_and_minute_and_none_is_left_out(lines: Lines) -> None:
    schema, put = ErrorCode.EVENT_SCHEMA_INVALID, ErrorCode.EVENT_PUT_FAILED
    for second in range(180):
        lines.emit(schema, 100)
        if second % 2:
            lines.emit(put)
        lines.now += 1
    counts = lines.counts()
    assert Counter(code for code, _ in counts) == {schema.name: 3, put.name: 3}
    lines.handler.close()
    totals: Counter[str] = Counter()
    for code, count in lines.counts():
        totals[code] += count
    assert totals == {schema.name: 18_000, put.name: 90}


def test_the_rest_is_written_when_its_minute_is_over_without_another_error(lines: Lines) -> None:
    for _ in range(2):
        lines.emit(ErrorCode.EVENT_PUT_FAILED)
    assert lines.counts() == [("EVENT_PUT_FAILED", 1)]
    lines.now += 59
    lines.handler.write_due()
    assert len(lines.written()) == 1
    lines.now += 1
    lines.handler.write_due()
    assert lines.counts() == [("EVENT_PUT_FAILED", 1), ("EVENT_PUT_FAILED", 1)]
    lines.handler.write_due()
    assert len(lines.written()) == 2


def test_a_clock_that_is_set_back_silences_nothing(lines: Lines) -> None:
    lines.emit(ErrorCode.EVENT_PUT_FAILED)
    lines.now -= 3600
    lines.emit(ErrorCode.EVENT_PUT_FAILED)
    assert len(lines.written()) == 2
