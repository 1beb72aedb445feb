"""Logging: one JSON object a line on standard error, never a payload. Coded errors go through `emit`."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

from streams import metrics
from streams.errors import ErrorCode

OURS = ("streams", "agents", "tables", "schemas")
QUIET_SECONDS = 10.0
MOST_COMPLAINTS = 1000

_emf = logging.getLogger("streams.emf")
"""Standard output for CloudWatch; silent unless `configure` was told so."""


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _OnceInAWhile(logging.Filter):
    """A library's complaint once in `QUIET_SECONDS`: aiokafka has 1,000 a second while Kafka is away."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(OURS):
            return True
        complaint = (record.name, str(record.msg)[:200])
        if record.created - self._said_at.get(complaint, 0.0) < QUIET_SECONDS:
            return False
        if len(self._said_at) >= MOST_COMPLAINTS:
            self._said_at.clear()
        self._said_at[complaint] = record.created
        return True


def configure(level: str, *, emf: bool = False) -> None:
    """Set up logging for a process.

    Libraries stay at WARNING whatever our own level is: aiokafka at DEBUG builds a log record per message.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    handler.addFilter(_OnceInAWhile())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    _emf.propagate = False
    _emf.handlers = [logging.StreamHandler(sys.stdout)] if emf else [logging.NullHandler()]
    _emf.setLevel(logging.INFO)
    for ours in OURS:
        logging.getLogger(ours).setLevel(level)
    for theirs in ("aiokafka", "faust", "mode"):
        logging.getLogger(theirs).setLevel(logging.WARNING)


def emit(code: ErrorCode, message: str, **fields: str | float | None) -> None:
    """An operational error: its metric, one log line and, with SLUICE_EMF=1, one EMF line."""
    metrics.ERRORS.labels(code.name).inc()
    tell(code, message, 1, fields)


def tell(code: ErrorCode, message: str, count: int, fields: Mapping[str, str | float | None]) -> None:
    """The lines alone, for so many errors that the metric has already."""
    level = logging.ERROR if code.severity == "critical" else logging.WARNING
    about = {"code": code.name, "severity": code.severity, "runbook": code.runbook, "count": count}
    logging.getLogger("streams.errors").log(level, message, extra={"fields": {**about, **fields}})
    _emf.info(json.dumps(_emf_line(code, count)))


def _emf_line(code: ErrorCode, count: int) -> dict[str, Any]:
    # Format: "Specification: Embedded metric format" in the Amazon CloudWatch documentation.
    metric = {"Name": "Errors", "Unit": "Count"}
    described = {"Namespace": "Sluice", "Dimensions": [["code"]], "Metrics": [metric]}
    return {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [described]},
        "code": code.name,
        "Errors": count,
    }
