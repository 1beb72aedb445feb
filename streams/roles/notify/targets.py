"""SLUICE_NOTIFY_FILE: who is told of alarms, and of which. Checked as a whole before anything starts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from streams.access.kept_file import KeptFile, KeptFileError
from streams.errors import SEVERITIES
from streams.roles.notify.signature import read_secret
from streams.text_file import TextFileError, small_text
from tables.gates.alarms import Alarm
from tables.gates.declared import GATES
from tables.gates.subjects import may_see
from tables.scope import Scope

MOST_TARGETS = 20
"""Their positions are metadata of one offset, of which Kafka takes 4 KiB."""
PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LONGEST_REMINDER_HOURS = 24 * 7

Kind = Literal["slack", "pagerduty", "generic"]
SECRETS = {"pagerduty": "routing_key_file", "generic": "secret_file"}
"""The file with what a kind needs besides its URL."""
KEYS = ("name", "kind", "url", "url_file", "severities", "subjects", "cities", "remind_hours")

_NAME = re.compile(r"[a-z0-9_-]{1,40}")
_SEVERITY = re.compile("|".join(SEVERITIES))
_SUBJECT = re.compile(r".{1,300}")
_CITY = re.compile(r"[a-z0-9_-]{1,64}")
_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{20,64}")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Somebody to be told. `url`, `secret`: as their files have them now; `scope`: of the gates' alarms only
    those of these cities, and of the pipeline none; `remind_ms`: after how long it is told again of what is
    open and nobody has taken on, 0: never."""

    name: str
    kind: Kind
    url: Callable[[], str]
    secret: Callable[[], Any]
    severities: tuple[str, ...]
    subjects: tuple[str, ...]
    scope: Scope
    remind_ms: int

    def takes(self, alarm: Alarm) -> bool:
        """Whether it is to be told of an alarm."""
        if alarm.severity not in self.severities:
            return False
        return may_see(alarm.subject, GATES, self.scope) and any(
            fnmatchcase(alarm.subject, subject) for subject in self.subjects
        )


def read_targets(path: Path) -> list[Target]:
    """The targets that a file declares. Raises `KeptFileError`, which names the target and the field, for the
    first that is wrong; never with what is in a secret's file."""
    try:
        found = tomllib.loads(small_text(path))
    except TextFileError as error:
        raise KeptFileError(str(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise KeptFileError(f"{path}: is no TOML ({error})") from None
    tables = found.get("target")
    if set(found) - {"target"} or not isinstance(tables, list) or not tables:
        raise KeptFileError(f"{path}: must have one or more [[target]], and nothing else")
    if len(tables) > MOST_TARGETS:
        raise KeptFileError(f"{path}: has {len(tables)} targets: there may be {MOST_TARGETS}")
    targets = [_Table(path, number, table).target() for number, table in enumerate(tables, 1)]
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise KeptFileError(f"{path}, target {name}: name is that of another target, too")
    return targets


class _Table:
    """One [[target]] of a file."""

    def __init__(self, path: Path, number: int, table: object) -> None:
        self._path = path
        self._where = f"{path}, target {number}"
        if not isinstance(table, Mapping):
            raise self._wrong("", "must be a table: [[target]]")
        self._table: Mapping[str, Any] = table

    def target(self) -> Target:
        name = self._text("name", _NAME, "1 to 40 of a-z 0-9 _ -")
        self._where = f"{self._path}, target {name}"
        kind = cast(
            Kind, self._text("kind", re.compile("slack|pagerduty|generic"), "slack, pagerduty or generic")
        )
        self._check_keys(kind)
        cities = self._texts("cities", _CITY, "1 to 64 of a-z 0-9 _ -") if "cities" in self._table else None
        return Target(
            name=name,
            kind=kind,
            url=self._url(kind),
            secret=self._secret(kind),
            severities=self._texts("severities", _SEVERITY, " or ".join(SEVERITIES), SEVERITIES),
            subjects=self._texts("subjects", _SUBJECT, "a subject, with * for any text", ("*",)),
            scope=None if cities is None else frozenset(cities),
            remind_ms=self._remind_ms(),
        )  # fmt: skip

    def _wrong(self, field: str, why: str) -> KeptFileError:
        return KeptFileError(f"{self._where}: {field}{' ' if field else ''}{why}")

    def _check_keys(self, kind: Kind) -> None:
        known = [*KEYS, *([SECRETS[kind]] if kind in SECRETS else [])]
        if kind == "pagerduty":
            known.remove("remind_hours")  # it escalates by rules of its own
        for key in self._table:
            if key not in known:
                raise self._wrong(
                    key, f"is no field of a target of kind {kind}: these are {', '.join(known)}"
                )

    def _text(self, field: str, pattern: re.Pattern[str], words: str) -> str:
        value = self._table.get(field)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self._wrong(field, f"must be {words}")
        return value

    def _texts(
        self, field: str, pattern: re.Pattern[str], words: str, default: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        value = self._table.get(field, list(default))
        alright = isinstance(value, list) and all(isinstance(x, str) and pattern.fullmatch(x) for x in value)
        if not alright or not value:
            raise self._wrong(field, f"must be a list, and each of it {words}")
        return tuple(value)

    def _url(self, kind: Kind) -> Callable[[], str]:
        default = {"url": PAGERDUTY_URL} if kind == "pagerduty" and "url_file" not in self._table else {}
        given = {**default, **self._table}
        if ("url" in given) == ("url_file" in given):
            raise self._wrong("url", "or url_file is needed, and one of them alone")
        if "url_file" in given:
            return self._file("url_file", _read_url)
        url = given["url"]
        if not isinstance(url, str) or not _is_url(url):
            raise self._wrong("url", URL_WORDS)
        return lambda: url

    def _secret(self, kind: Kind) -> Callable[[], Any]:
        if kind == "slack":  # its URL is one
            return lambda: None
        return self._file(SECRETS[kind], _read_key if kind == "pagerduty" else read_secret)

    def _file(self, field: str, read: Callable[[Path, str], Any]) -> Callable[[], Any]:
        """What a file says, read again when it changes. Its path may be relative to the declaring file."""
        value = self._table.get(field)
        if not isinstance(value, str) or not value:
            raise self._wrong(field, "must be a file's path")
        try:
            return KeptFile(self._path.parent / value, read).get
        except KeptFileError as error:
            raise self._wrong(field, f"is wrong: {error}") from None

    def _remind_ms(self) -> int:
        hours = self._table.get("remind_hours", 0)
        if (
            not isinstance(hours, int | float)
            or isinstance(hours, bool)
            or not 0 <= hours <= LONGEST_REMINDER_HOURS
        ):
            raise self._wrong("remind_hours", f"must be a number from 0 (never) to {LONGEST_REMINDER_HOURS}")
        return int(hours * 3_600_000)


URL_WORDS = "must be https://…, without a user in it; http:// is for this machine alone"


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    local = parts.hostname in LOOPBACK
    sound = text.isascii() and text.isprintable() and " " not in text
    named = bool(parts.hostname) and parts.username is None and not parts.fragment
    return sound and named and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _read_url(path: Path, text: str) -> str:
    url = text.strip()
    if not _is_url(url):
        raise KeptFileError(f"{path}: {URL_WORDS}")
    return url


def _read_key(path: Path, text: str) -> str:
    key = text.strip()
    if not _ROUTING_KEY.fullmatch(key):
        raise KeptFileError(f"{path}: must be an integration key of PagerDuty: 20 to 64 letters and digits")
    return key
