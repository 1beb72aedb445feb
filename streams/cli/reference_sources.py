"""The page of docs/reference on foreign formats: what of Stripe maps to what, and examples of all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from schemas.render import page, table
from streams.sources.mappings.examples import EXAMPLES
from streams.sources.mappings.mapping import CODE, Example, NotForUs, Refused, Why
from streams.sources.mappings.stripe.mapping import RULES


def sources_page() -> str:
    """The whole page."""
    about = (
        "What other systems' values are as events ([sources](../sources.md)). The examples are tests. `null`"
        " members of an envelope are left out of what is shown."
    )
    parts = [_stripe(), _refusals(), *(_examples(name, shown) for name, shown in EXAMPLES.items())]
    return page("Sources", "streams/sources/mappings", about, "\n\n".join(parts))


def _stripe() -> str:
    rows = [
        (f"`{kind}`", ", ".join(f"`{event}`" for event in rule.events) or "refused", rule.says)
        for kind, rule in RULES.items()
    ]
    rows.append(("any other", "not for us", "Counted by its type, and told at the end of a replay."))
    return f"## Stripe's webhooks\n\n{table('type|event|how', rows)}"


def _refusals() -> str:
    rows = [(f"`{why}`", why.meaning) for why in Why]
    return (
        f"## Why a mapping refuses\n\nWith the code `{CODE}`; the catalogue's refusals have its own.\n\n"
        + table("reason|meaning", rows)
    )


def _examples(name: str, shown: Iterable[Example]) -> str:
    rows = [(one.title, _json(one.given), _expected(one)) for one in shown]
    return f"## Examples of {name}\n\n{table('example|given|is', rows)}"


def _expected(one: Example) -> str:
    if isinstance(one.expected, NotForUs):
        return "not for us"
    if isinstance(one.expected, Refused):
        field = f", field `{one.expected.field}`" if one.expected.field else ""
        return f"refused: `{one.expected.reason}`{field}"
    return "<br>".join(_shown(one))


def _shown(one: Example) -> Iterator[str]:
    for envelope in one.expected:
        assert isinstance(envelope, dict)
        yield _json({name: value for name, value in envelope.items() if value is not None})


def _json(value: object) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"
