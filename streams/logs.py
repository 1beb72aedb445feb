"""Logging on standard error, never of a payload: a JSON object a line for programs, a text for people at a
terminal. Coded errors go through `emit`."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

from streams import metrics
from streams.emf import EmfLines
from streams.errors import CRITICAL, ErrorCode
from streams.plain_text import PlainFormatter, json_text, plain
from streams.settings import Settings, colour_unwanted, unknown_variables

OURS = ("streams", "agents", "tables", "schemas")
CODED = "streams.errors"
QUIET_SECONDS = 10.0
OUR_QUIET_SECONDS = 60.0
MOST_COMPLAINTS = 1000

_process: str | None = None

_emf = logging.getLogger("streams.emf")
"""Standard output for CloudWatch; silent unless `configure` was told so."""

COLOURS = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}
"""Of a level on a terminal, as ANSI has them."""


class _JsonLines(logging.Formatter):
    def __init__(self, process: str | None) -> None:
        super().__init__()
        self._process = {} if process is None else {"process": process}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            **self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json_text(line)


class _Text(PlainFormatter):
    """A line for people: time, level, who says it, what, and what is known of it besides."""

    def __init__(self, process: str | None, *, colour: bool) -> None:
        super().__init__()
        self._process = "" if process is None else f"{process} "
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = f"{record.levelname:<7}"
        if self._colour and record.levelno in COLOURS:
            level = f"\x1b[{COLOURS[record.levelno]}m{level}\x1b[0m"
        fields = getattr(record, "fields", {}).items()
        known = "".join(f" {name}={plain(value)}" for name, value in fields if value is not None)
        head = f"{when}.{int(record.msecs):03d} {level} {self._process}{record.name}: "
        return head + super().format(record) + (f" [{known.strip()}]" if known else "")


class _OnceInAWhile(logging.Filter):
    """A warning at once, and again after a while with how many there were meanwhile.

    A library's complaint every `QUIET_SECONDS`: aiokafka has 1,000 a second while Kafka is away. A warning of
    ours, which is another one if a name or a number of a partition in it differs, but not a time, every
    `OUR_QUIET_SECONDS`. Errors of ours are never left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        ours = record.name.startswith(OURS)
        if ours and (record.levelno != logging.WARNING or record.name == CODED):
            return True
        kept = ours and isinstance(record.args, tuple)
        differing = [str(one) for one in record.args or () if not isinstance(one, float)] if kept else []
        complaint = (record.name, str(record.msg)[:200], *differing)
        said_at, left_out = self._said.get(complaint, (0.0, 0))
        if record.created - said_at < (OUR_QUIET_SECONDS if ours else QUIET_SECONDS):
            self._said[complaint] = (said_at, left_out + 1)
            return False
        if len(self._said) >= MOST_COMPLAINTS:
            self._said.clear()
        self._said[complaint] = (record.created, 0)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out:,} more like it before)", ()
        return True


def warn_of_unknown_variables() -> None:
    """Warn of variables that look like settings and are none: what they were to set has its default."""
    for name, hint in unknown_variables():
        logging.getLogger(__name__).warning("%s is no setting%s (`sluice settings` lists all)", name, hint)


def name_process(name: str) -> None:
    """What this process is called in each of its lines, where several write to one log."""
    global _process  # noqa: PLW0603 - as logging's own configuration, there is one a process
    _process = name


def configure(settings: Settings) -> None:
    """Set up logging for a process.

    Libraries stay at WARNING whatever our own level is: aiokafka at DEBUG builds a log record per message.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(settings.log_format))
    handler.addFilter(_OnceInAWhile())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    _emf.propagate = False
    for former in _emf.handlers:
        former.close()
    _emf.handlers = [EmfLines(sys.stdout) if settings.emf else logging.NullHandler()]
    _emf.setLevel(logging.INFO)
    for ours in OURS:
        logging.getLogger(ours).setLevel(settings.log_level)
    for theirs in ("aiokafka", "faust", "mode"):
        logging.getLogger(theirs).setLevel(logging.WARNING)


def _formatter(chosen: str) -> logging.Formatter:
    """`auto`: people look at a terminal, programs read the rest."""
    live = sys.stderr.isatty()
    if chosen == "text" or (chosen == "auto" and live):
        return _Text(_process, colour=live and not colour_unwanted())
    return _JsonLines(_process)


def emit(code: ErrorCode, message: str, **fields: str | float | None) -> None:
    """An operational error: its metric, one log line and, with SLUICE_EMF=1, its part of an EMF line."""
    metrics.ERRORS.labels(code.name).inc()
    log_coded(code, message, 1, fields)


def log_coded(code: ErrorCode, message: str, count: int, fields: Mapping[str, str | float | None]) -> None:
    """The lines alone, for so many errors that the metric has already."""
    level = logging.ERROR if code.severity == CRITICAL else logging.WARNING
    about = {"code": code.name, "severity": code.severity, "runbook": code.runbook, "count": count}
    logging.getLogger(CODED).log(level, message, extra={"fields": {**about, **fields}})
    _emf.info("", extra={"code": code.name, "count": count})
