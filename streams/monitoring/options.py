"""What a user of the rules may choose: which series they look at, and where they draw their lines.

The defaults make the files below deploy/; `sluice monitoring render --set NAME=VALUE` makes others.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Self

from streams.metrics import EVENT_TO_VIEW
from streams.setting_groups.declared import SettingError, setting
from streams.setting_groups.rules import Rule, exact, matching, names, real, whole

ROLES = ("views", "bronze", "gates", "audit", "api", "ingest")
_MATCHER = r'[a-zA-Z_][a-zA-Z0-9_]*(=|!=|=~|!~)"[^"\\{}]*"'
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def _selector() -> Rule[str]:
    """Label matchers; what is written in them as a pattern has to be one."""
    as_written, words = matching(
        rf"{_MATCHER}(,{_MATCHER})*", 'label matchers with commas, such as namespace="sluice"'
    )

    def parse(text: str) -> str:
        for pattern in re.findall(r'~"([^"]*)"', as_written(text)):
            try:
                re.compile(pattern)
            except re.error:
                raise ValueError from None
        return text

    return parse, words


def _edge() -> Rule[float]:
    """An edge of the histogram: between two of them it knows nothing."""
    edges = [bound for bound in EVENT_TO_VIEW.upper_bounds if bound != float("inf")]

    def parse(text: str) -> float:
        if float(text) not in edges:
            raise ValueError
        return float(text)

    return parse, "one of " + ", ".join(f"{edge:g}" for edge in edges)


@dataclass(frozen=True, kw_only=True)
class Options:
    """All of them; of durations the unit is in the name."""

    selector: str = setting(
        'job=~"sluice-.+"',
        _selector(),
        "which series are Sluice's; one environment a set of rules",
    )
    roles: tuple[str, ...] = setting(
        ",".join(ROLES),
        names(r"[a-z][a-z0-9_-]*", "values of the target label `role` with commas, none twice"),
        "the roles of which there has to be a target",
    )
    freshness_seconds: float = setting(
        "2", _edge(), "within which 99 % of a minute's events are to be in the views"
    )
    freshness_objective: Decimal = setting(  # noqa: RUF009
        "0.999", exact("0.9", "0.99999"), "the share of minutes in which they have to be"
    )
    burn_least_minutes: int = setting(
        "2", whole(1, 60), "stale minutes within its long window that a page for freshness needs at least"
    )
    lag_seconds: int = setting("60", whole(1, 86400), "age of an unread record that pages")
    stuck_seconds: int = setting(
        "300", whole(60, 86400), "how long a partition with unread records may stand still"
    )
    beat_seconds: int = setting("60", whole(5, 3600), "how long a worker may not know how far it is")
    recovering_seconds: int = setting("120", whole(10, 3600), "how long a partition may be recovered")
    checkpoint_seconds: float = setting("2", real(0.1, 10), "how long 99 % of the checkpoints may take")
    quarantine_share: float = setting("0.02", real(0.0001, 1), "share of bad records that is too much")
    quarantine_growth: float = setting(
        "5",
        real(1.5, 1000),
        "how many times the share of the day before is too much, from a tenth of that share on",
    )
    late_share: float = setting(
        "0.01", real(0.0001, 1), "share of events too late for their pane that is too much"
    )
    bronze_warn_seconds: int = setting("900", whole(60, 86400), "age of a record outside Bronze: a ticket")
    bronze_page_seconds: int = setting("3600", whole(60, 604800), "age of a record outside Bronze: a page")
    audit_seconds: int = setting(
        "14400", whole(60, 2592000), "how long ago each view may have been proved last"
    )
    http_error_share: float = setting("0.05", real(0.001, 1), "share of answers with 5xx that is too much")
    skew_warn_seconds: int = setting("5", whole(1, 300), "how far a clock may be off: a ticket")
    skew_page_seconds: int = setting("30", whole(1, 300), "how far a clock may be off: a page")
    certificate_warn_days: int = setting("14", whole(1, 365), "how long a certificate has to last: a ticket")
    certificate_page_days: int = setting("2", whole(1, 365), "how long a certificate has to last: a page")
    page_url: str = setting(
        "http://127.0.0.1:9095/page", matching(r"https?://\S+", "an http(s) URL"), "webhook that takes pages"
    )
    ticket_url: str = setting(
        "http://127.0.0.1:9095/ticket",
        matching(r"https?://\S+", "an http(s) URL"),
        "webhook that takes tickets",
    )
    time_scale: float = setting(
        "1", real(0.001, 1), "factor on every window, `for` and pause, to try all of it out in minutes"
    )

    @classmethod
    def load(cls, chosen: Iterable[tuple[str, str]] = ()) -> Self:
        """The defaults with these changes. Raises `SettingError` for the first that is not allowed."""
        named = dict(chosen)
        known = {one.name: one for one in fields(cls)}
        for name, value in named.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                listed = f"{near[0]}?" if near else ", ".join(known)
                raise SettingError(name, value, f"an option that there is: {listed}")
        options = cls(**{name: _parsed(name, one.metadata, named) for name, one in known.items()})
        for kind in ("bronze", "skew"):
            low, high = (getattr(options, f"{kind}_{level}_seconds") for level in ("warn", "page"))
            if low >= high:
                raise SettingError(f"{kind}_warn_seconds", str(low), f"below {kind}_page_seconds ({high})")
        if options.certificate_warn_days <= options.certificate_page_days:
            allowed = f"above certificate_page_days ({options.certificate_page_days})"
            raise SettingError("certificate_warn_days", str(options.certificate_warn_days), allowed)
        return options

    def duration(self, seconds: float) -> str:
        """As Prometheus writes it, scaled."""
        scaled = seconds * self.time_scale
        if self.time_scale == 1:
            for unit, size in _UNITS:
                if scaled % size == 0:
                    return f"{scaled / size:.0f}{unit}"
        return f"{max(1, round(scaled * 1000))}ms"


def _parsed(name: str, about: Any, chosen: dict[str, str]) -> Any:
    text = chosen.get(name, about["default"])
    try:
        return about["parse"](text)
    except ValueError:
        raise SettingError(name, text, about["allowed"]) from None
