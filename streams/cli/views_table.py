"""An answer of the api as something to read in a terminal: lines about the answer, then a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from streams.cli.formats import NUMBER_ENDS, age, cell, heading, instant
from streams.cli.page import Page, prose, wrapped
from streams.cli.screen import Screen
from streams.cli.table import Cell, Column, Kind, table
from streams.plain_text import plain

MAX_REASONS = 8
LEAST_NEEDED: Mapping[str, Sequence[str]] = {
    "ops_payout_backlog": ("failed_minor", "overdue_minor", "open_minor"),
    "ops_recon_variance": ("abs_variance_minor", "fees_minor", "refunds_minor"),
    "kpi_gmv": ("booking_minor_p50", "booking_minor_p95", "cancelled_minor", "cancellations"),
    "kpi_funnel": ("view_rate", "checkout_rate", "profile_views"),
    "trust_idv": ("bg_started", "idv_started"),
    "trust_dispute_outcomes": ("withdrawn_minor", "withdrawn", "opened"),
    "comms_delivery": ("opt_out_rate", "opted_out", "complained", "bounced"),
    "studio_ops": ("quotes_expired", "quotes_declined", "rejected", "verification_requested"),
    "exp_metric_cuped": (
        "theta", "var_y", "var_cuped", "y_sum", "mean_y", "variance_reduction", "mean_cuped", "diff_low",
        "diff_high", "crossovers",
    ),
}  # fmt: skip
"""By view, the measures that a narrow terminal leaves out, that which goes first first: what others of the
row say, or nearly. Of other views none is left out."""
LEAST_NEEDED_OF_ENTITIES = ("city", "occurred_at")


def view_page(answer: dict[str, Any], screen: Screen) -> Page:
    """A view's answer, or a page of its entities (docs/contract.md §6)."""
    above = [*_about(answer, screen), *_why_incomplete(answer, screen)]
    for warning in answer.get("warnings", []):
        above += prose(warning, screen, "note", indent=2)
    of_entities = "cursor" in answer
    least_needed = LEAST_NEEDED_OF_ENTITIES if of_entities else LEAST_NEEDED.get(answer["view"], ())
    page = _rows(answer["rows"], least_needed, screen)
    cursor = answer.get("cursor")
    more = ["", screen.styled(plain(f"more: --cursor {cursor}"), "aside")] if cursor else []
    return Page([*above, "", *page.above], page.rows, [*page.below, *more])


def views_page(listed: Sequence[dict[str, Any]], screen: Screen) -> Page:
    """Every view, with what it can be asked for."""
    columns = (
        Column("view"),
        Column("kind"),
        Column("dimensions", Kind.TEXT),
        Column("description", Kind.TEXT),
    )
    rows = [
        (Cell(view["name"], "name"), view["kind"], ", ".join(view["dimensions"]), view["description"])
        for view in listed
    ]
    page = table(columns, rows, screen, least_needed=("kind", "dimensions"))
    former = [prose(view["former"], screen, "note") for view in listed if view.get("former")]
    return page._replace(below=[*page.below, *([""] if former else []), *chain.from_iterable(former)])


def caveats(answer: dict[str, Any]) -> Iterator[str]:
    """What a reader of the rows alone would miss, each in a line."""
    yield from (f"incomplete: {why}" for why in _reasons(answer))
    yield from answer.get("warnings", [])
    if answer.get("cursor"):
        yield f"more: --cursor {answer['cursor']}"


def _about(answer: dict[str, Any], screen: Screen) -> list[str]:
    """The view's name and what the answer is of, on one line if there is room."""
    facts = [f"as of {instant(answer['as_of'])} UTC"]
    if answer.get("from") and answer.get("to"):
        facts.append(f"from {instant(answer['from'])} to {instant(answer['to'])}")
    if answer.get("freshness_seconds") is not None:
        facts.append(f"fresh to {age(answer['freshness_seconds'])}")
    name = screen.styled(plain(answer["view"]), "name")
    said = [f"{name}  {plain(facts[0])}", *map(plain, facts[1:])]
    if answer.get("complete") is not None:
        complete = screen.styled("yes", "good") if answer["complete"] else screen.styled("NO", "alarm")
        said.append(f"complete: {complete}")
    first, *others = wrapped(" · ".join(said), screen.columns - 2, at=" · ")
    return [first, *(f"  {line}" for line in others)]


def _why_incomplete(answer: dict[str, Any], screen: Screen) -> list[str]:
    """What holds the answer back, partition by partition, and why; nothing if it is complete."""
    reasons = _reasons(answer)
    shown = reasons[:MAX_REASONS]
    if len(reasons) > MAX_REASONS:
        shown.append(f"and {len(reasons) - MAX_REASONS} partitions more")
    return [*chain.from_iterable(prose(reason, screen, "bad", indent=2) for reason in shown)]


def _reasons(answer: dict[str, Any]) -> list[str]:
    if answer.get("complete") is not False:
        return []
    partitions = answer.get("partitions", [])
    behind = {f"{_name(p)}: {p.get('incomplete_because')}": p.get("lag_records") for p in partitions}
    reasons = []
    for why in answer.get("incomplete_because") or _what_lags(partitions):
        lag = behind.get(why)
        reasons.append(why + (f" ({lag:,} records behind)" if lag else ""))
    return reasons


def _name(partition: dict[str, Any]) -> str:
    return f"{partition['topic']}-{partition['partition']}"


def _what_lags(partitions: Sequence[dict[str, Any]]) -> list[str]:
    """Of an api that does not say why: which partitions lag, worst first; an unknown lag is the worst."""
    lags: dict[str, int | None] = {_name(p): p.get("lag_records") for p in partitions}
    unknown = [f"{name}: no worker reports on it" for name, lag in lags.items() if lag is None]
    known = sorted(((lag, name) for name, lag in lags.items() if lag), reverse=True)
    return unknown + [f"{name}: {lag:,} records behind" for lag, name in known]


def _rows(rows: Sequence[dict[str, Any]], least_needed: Sequence[str], screen: Screen) -> Page:
    if not rows:
        return Page([screen.styled("no rows", "aside")])
    names = list(rows[0])
    shown = _headings(names)
    columns = [
        Column(
            shown[name],
            Kind.NUMBER
            if name.endswith(NUMBER_ENDS) or any(_is_number(row[name]) for row in rows)
            else Kind.ID,
        )
        for name in names
    ]
    cells = [[cell(name, row[name], row.get("currency")) for name in names] for row in rows]
    return table(columns, cells, screen, [shown[name] for name in least_needed if name in shown])


def _headings(names: Sequence[str]) -> dict[str, str]:
    """A heading for each column, none twice: of a count and an amount, the amount says that it is one."""
    shown = {name: heading(name) for name in names}
    alike = Counter(shown.values())
    ambiguous = [name for name in names if alike[shown[name]] > 1 and name.endswith("_minor")]
    return shown | {name: f"{shown[name]} amount" for name in ambiguous}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
