"""The committed rows of Bronze as the records that they came from, so that the oracle's SQL runs over Bronze.

DuckDB reads the objects that the commits list, and nothing else of the store: neither its reader nor its
code for names. A line is the event's own members and `_kafka`, which says where and when it was.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb

from tests.support.kafka import Read

Place = tuple[str, int, int]
"""Topic, partition, offset."""

_LINES = """
    SELECT filename, line FROM read_csv($files, columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '',
        escape = '', header = false, compression = 'gzip', filename = true, auto_detect = false,
        max_line_size = 4000000)
"""


class Bronze:
    """What is committed below a folder. `records`: topic → records by partition and offset; `bad`: the lines
    of `_bad/`, by place. Raises `AssertionError` where a line is not where its object's name says."""

    def __init__(self, folder: Path) -> None:
        self.records: dict[str, list[Read]] = defaultdict(list)
        self.bad: dict[Place, dict[str, Any]] = {}
        files = [str(folder / path) for path in _committed(folder)]
        found = duckdb.connect().execute(_LINES, {"files": files}).fetchall() if files else []
        for file, line in found:
            self._take(str(Path(file).relative_to(folder)), line)
        for records in self.records.values():
            records.sort(key=lambda record: (record.partition, record.offset))
            places = [(record.partition, record.offset) for record in records]
            assert len(set(places)) == len(places), "an offset is there twice"

    def _take(self, path: str, line: str) -> None:
        row = json.loads(line)
        kafka = row.pop("_kafka")
        topic, partition, offsets = path.rpartition("/")[2].split(".ndjson")[0].rsplit("+", 2)
        first, last = map(int, offsets.split("-"))
        assert (kafka["topic"], kafka["partition"]) == (topic, int(partition)), path
        assert first <= kafka["offset"] <= last, path
        if path.startswith("_bad/"):
            encoded = row["value_base64"]
            value = None if encoded is None else base64.b64decode(encoded)
            self.bad[topic, int(partition), kafka["offset"]] = row
        else:
            assert path.startswith(f"event={row['event']}/"), path
            # As it came, byte by byte, but for line breaks: the member added last is taken off again.
            value = line[: line.rindex(',"_kafka":')].encode() + b"}"
        self.records[topic].append(
            Read(int(partition), kafka["offset"], kafka["timestamp_ms"], None, value, ())
        )


def _committed(folder: Path) -> list[str]:
    return [
        entry["path"]
        for commit in sorted((folder / "_commits").rglob("*.json"))
        for entry in json.loads(commit.read_bytes())["objects"]
    ]
