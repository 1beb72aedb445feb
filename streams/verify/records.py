"""The records that a proof looks at, in a database of their own (DuckDB), in a folder that can be deleted.

`loaded` has the events, `bad` the bad records, `spans` what is looked at of each partition. What does not fit
into memory is spilt into the folder. Nothing is fetched: DuckDB is given files in the folder alone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from streams.verify.answer import Row, Span

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
Cities = Collection[str] | None
"""Those whose events may be seen; None: all, and events without one."""

_PARAMETER = re.compile(r"\$([a-z0-9_]+)")
LARGEST_LINE_BYTES = 64 << 20
_TABLES = """
CREATE MACRO floored(us, size) AS (us - ((us % size) + size) % size) // size;

CREATE TABLE spans (topic VARCHAR, "partition" BIGINT, first BIGINT, following BIGINT,
                    watermark_us BIGINT, first_hour BIGINT);

-- Of an event that may not be seen there are place, id and time alone: another one may be its duplicate.
CREATE TABLE loaded (topic VARCHAR, "partition" BIGINT, "offset" BIGINT, kafka_ms BIGINT, event_id VARCHAR,
                     happened TIMESTAMPTZ, seen BOOLEAN, event VARCHAR, city VARCHAR, source VARCHAR,
                     payload JSON, origin VARCHAR);

CREATE TABLE bad (topic VARCHAR, "partition" BIGINT, "offset" BIGINT, kafka_ms BIGINT, event VARCHAR,
                  city VARCHAR, source VARCHAR, reason VARCHAR, origin VARCHAR);
"""
_EVENTS = """
INSERT INTO loaded
SELECT topic, "partition", "offset", kafka_ms, event_id, happened, seen,
       CASE WHEN seen THEN event END, CASE WHEN seen THEN city END, CASE WHEN seen THEN source END,
       CASE WHEN seen AND event IN (SELECT unnest($kept)) THEN payload END, $origin
FROM (SELECT _kafka.topic, _kafka."partition", _kafka."offset" + $shift AS "offset",
             _kafka.timestamp_ms AS kafka_ms, event_id,
             upper(occurred_at)::TIMESTAMPTZ AS happened, event, city, source, payload,
             $all OR coalesce(city IN (SELECT unnest($cities)), false) AS seen
      FROM read_json($file, format = 'newline_delimited', maximum_object_size = $largest,
           columns = {event_id: 'VARCHAR', event: 'VARCHAR', occurred_at: 'VARCHAR', source: 'VARCHAR',
                      city: 'VARCHAR', payload: 'JSON', _kafka: 'STRUCT(topic VARCHAR, "partition" BIGINT,
                      "offset" BIGINT, timestamp_ms BIGINT)'}))
JOIN spans USING (topic, "partition")
WHERE "offset" >= first AND "offset" < following
"""
_BAD = """
INSERT INTO bad
SELECT topic, "partition", "offset", kafka_ms, event, city, source, reason, $origin
FROM (SELECT * REPLACE ("offset" + $shift AS "offset") FROM read_json($file, format = 'newline_delimited',
     columns = {topic: 'VARCHAR', "partition": 'BIGINT', "offset": 'BIGINT', kafka_ms: 'BIGINT',
                event: 'VARCHAR', city: 'VARCHAR', source: 'VARCHAR', reason: 'VARCHAR'}))
JOIN spans USING (topic, "partition")
WHERE "offset" >= first AND "offset" < following AND ($all OR city IN (SELECT unnest($cities)))
"""


class RecordsError(Exception):
    """The records cannot be looked at: there is no room for them, or one cannot be read. `str()` says it, and
    shows nothing of a record."""


class BadRecord(msgspec.Struct):
    """A bad record: its place, and what can be told of it."""

    topic: str
    partition: int
    offset: int
    kafka_ms: int
    event: str
    city: str | None
    source: str
    reason: str


class Records:
    """The database, in a folder that is there. Its statements run one after the other, in a thread of their
    own. `cities`: whose events may be seen; `kept`: names of the events whose payloads are looked at."""

    def __init__(
        self,
        folder: Path,
        spans: Iterable[Span],
        *,
        memory_mb: int,
        pane_hours: int,
        kept: Collection[str],
        cities: Cities = None,
    ) -> None:
        import duckdb  # noqa: PLC0415 - takes a moment, and few commands need it

        self._folder = folder
        self._error = duckdb.Error
        self._faults = duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException
        self._thread = ThreadPoolExecutor(1, "sql")
        self._chosen = {"all": cities is None, "cities": sorted(cities or ())}
        self._kept = sorted(kept)
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_mb}MB", "temp_directory": str(folder / "spilt"), "threads": 1,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False, "autoload_known_extensions": False,
        }  # fmt: skip
        self._db: DuckDBPyConnection = duckdb.connect(folder / "records.duckdb", config=config)
        allowed = str(folder).replace("'", "''")
        self._db.execute(f"SET allowed_directories = ['{allowed}']; SET enable_external_access = false")
        self._db.execute("SET TimeZone = 'UTC'; SET lock_configuration = true")
        self._db.execute(_TABLES)
        rows = [(*span, span.first_hour(pane_hours)) for span in spans]
        if rows:
            self._db.executemany("INSERT INTO spans VALUES (?, ?, ?, ?, ?, ?)", rows)

    async def add_events(self, lines: Sequence[bytes], origin: str, shift: int = 0) -> None:
        """Take lines of Bronze's events. `origin`: where they are from; `shift`: added to their offsets."""
        given = {"kept": self._kept, "largest": LARGEST_LINE_BYTES}
        await self._add(_EVENTS, b"".join(lines), {**self._chosen, **given, "origin": origin, "shift": shift})

    async def add_bad(self, records: Sequence[BadRecord], origin: str, shift: int = 0) -> None:
        """Take bad records, likewise."""
        given = {**self._chosen, "origin": origin, "shift": shift}
        await self._add(_BAD, msgspec.json.Encoder().encode_lines(records), given)

    async def run(self, statements: Iterable[str], **given: Any) -> None:
        """Execute statements, each with what it names of the parameters. Raises `RecordsError`."""
        for statement in statements:
            await self.rows(statement, **given)

    async def rows(self, query: str, **given: Any) -> list[Row]:
        """A query's rows by the names of their columns, with what it names of the parameters. Raises
        `RecordsError`."""
        named = {name: given[name] for name in _PARAMETER.findall(query) if name in given}

        def fetch() -> list[Row]:
            found = self._db.execute(query, named)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

        return await self._in_thread(fetch)

    async def function(
        self, name: str, function: Callable[..., Any], takes: Sequence[str], returns: str
    ) -> None:
        """Let statements call a function by that name. `takes`, `returns`: SQL types."""
        await self._in_thread(lambda: self._db.create_function(name, function, list(takes), returns))

    async def close(self) -> None:
        """End what is running, and let go of the folder."""
        self._db.interrupt()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
        self._thread.shutdown()

    async def _add(self, statement: str, lines: bytes, given: Mapping[str, Any]) -> None:
        if not lines:
            return
        file = self._folder / "lines.ndjson"

        def load() -> None:
            file.write_bytes(lines)
            self._db.execute(statement, {**given, "file": str(file)})
            file.unlink()

        await self._in_thread(load)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except self._faults:
            raise  # of ours
        except self._error as error:
            # What DuckDB says may quote what it read.
            said = type(error).__name__
            hint = (
                ": there is too little room (SLUICE_VERIFY_MEMORY_MB, TMPDIR)"
                if "OutOfMemory" in said
                else ""
            )
            raise RecordsError(f"the records could not be looked at ({said}){hint}") from None
