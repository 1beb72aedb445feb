"""A quarantine record, and how it is written to Kafka and read back (docs/contract.md §1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from agents.quarantine.source_headers import Header, carried, original
from agents.quarantine.traces import trace_id_of
from schemas.validation.reasons import Quarantined

LONGEST_NUMBER = 19

T = TypeVar("T")


class Message(NamedTuple):
    """Key, value and headers of a Kafka record."""

    key: bytes | None
    value: bytes | None
    headers: list[Header]


class Position(NamedTuple):
    """Where a record is in the quarantine topic; written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True)
class QuarantineRecord:
    """One quarantine record, as it is in the topic. `topic`, `partition`, `offset`: those of its source.

    `headers`: its producer's own, names as their bytes were. `truncated`, `key_truncated`: the size in bytes
    of its value or key before truncation, if it did not fit into the quarantine; None: not truncated.
    """

    at: Position
    code: str
    reason: str
    field: str
    detail: str
    topic: str
    partition: int
    offset: int
    quarantined_at: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[bytes, bytes | None], ...] = ()
    truncated: int | None = None
    key_truncated: int | None = None

    @property
    def complete(self) -> bool:
        """Whether key and value are not truncated."""
        return self.truncated is None and self.key_truncated is None

    @property
    def source(self) -> str:
        """Where it came from: `topic-partition @ offset`."""
        return f"{self.topic}-{self.partition} @ {self.offset}"

    @property
    def trace_id(self) -> str | None:
        """See `trace_id_of`."""
        return trace_id_of(
            self.value, [(name.decode(errors="replace"), value) for name, value in self.headers]
        )

    def facts(self) -> dict[str, Any]:
        """All but key and value, for a report."""
        trace_id = self.trace_id
        return {
            "id": str(self.at),
            "code": self.code,
            "reason": self.reason,
            "field": self.field,
            "detail": self.detail,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "quarantined_at": self.quarantined_at,
            "value_bytes": None if self.value is None else len(self.value),
            **({} if trace_id is None else {"trace_id": trace_id}),
            **({} if self.truncated is None else {"truncated": self.truncated}),
            **({} if self.key_truncated is None else {"key_truncated": self.key_truncated}),
        }


def encode(topic: str, partition: int, record: Any, why: Quarantined, now_ms: int) -> Message:
    """What a bad Kafka record becomes: key and value untouched; headers say why, where it was and when."""
    headers: list[Header] = [
        ("code", why.code.encode()),
        ("reason", why.reason.encode()),
        ("field", why.field.encode()),
        ("detail", why.detail.encode()),
        ("topic", topic.encode()),
        ("partition", str(partition).encode()),
        ("offset", str(record.offset).encode()),
        ("quarantined_at", _written(now_ms)),
        *carried(getattr(record, "headers", ())),
    ]
    return Message(record.key, record.value, headers)


@lru_cache(maxsize=1)
def _written(now_ms: int) -> bytes:
    now = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return now.replace("+00:00", "Z").encode()


def decode(record: Any) -> QuarantineRecord:
    """A record of the topic, which others may write to: what is missing in its headers is empty or -1."""
    all_headers: Sequence[Header] = record.headers
    headers = {name: (value or b"").decode(errors="replace") for name, value in reversed(all_headers)}
    return QuarantineRecord(
        at=Position(record.partition, record.offset),
        code=headers.get("code", ""),
        reason=headers.get("reason", ""),
        field=headers.get("field", ""),
        detail=headers.get("detail", ""),
        topic=headers.get("topic", ""),
        partition=_number(headers, "partition", -1),
        offset=_number(headers, "offset", -1),
        quarantined_at=headers.get("quarantined_at", ""),
        key=record.key,
        value=record.value,
        headers=tuple(original(all_headers)),
        truncated=_number(headers, "truncated", None),
        key_truncated=_number(headers, "key_truncated", None),
    )


def _number(headers: Mapping[str, str], name: str, without: T) -> int | T:
    """A header that is a decimal number."""
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else without
