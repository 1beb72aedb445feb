"""The records of a fetched share, unpacked a slice at a time: by the fast reader, and by the lenient reader
from the record on at which the fast one fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, dropwhile, islice
from typing import Any


class Unpacked:
    """The records of `batches` at or above the offset `start`, in order, each once.

    Batches are iterated as they are, since any extra cost is paid for every record. Where that fails, the
    rest is read by `batches.lenient(offset)`, if the batches have that (`streams.kafka.fetched_bytes.Batches`
    has): it reads what is readable, and returns one record for a batch that is not. With `strict` it is
    `batches.strict(offset)`, which raises on such a batch.
    """

    def __init__(self, batches: Sequence[Any], start: int, *, strict: bool = False) -> None:
        self._reread = getattr(batches, "strict" if strict else "lenient", None)
        self._position = start
        self._records: Iterator[Any] = chain.from_iterable(batches)
        if batches and getattr(batches[0], "base_offset", -1) < start:
            self._records = dropwhile(lambda record: record.offset < start, self._records)

    def take(self, count: int) -> list[Any]:
        """The next `count` records, fewer at the end; an empty list: there are no more."""
        try:
            records = list(islice(self._records, count))
        except Exception:
            reread, self._reread = self._reread, None
            if reread is None:
                raise
            self._records = reread(self._position)
            return self.take(count)
        if records:
            self._position = records[-1].offset + 1
        return records
