"""Whether one JSON Schema of an event accepts all that another one does, in the words that ours use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.compatibility.patterns import covers
from schemas.compatibility.problem import Problem, Rule, below

Schema = Mapping[str, Any]

_WIDER = {"integer": "number"}
_ABSENT = object()


def narrowed(new: Schema, old: Schema, at: str = "") -> Iterator[Problem]:
    """What an object of `old` may be that `new` refuses or reads otherwise.

    A required member may not go, though `new` would accept what has one: consumers of the former schema need
    it. The version is left to others.
    """
    there, before = new["properties"], old["properties"]
    for name, schema in before.items():
        path = below(at, name)
        if path == "version":
            continue
        if name not in there:
            if name in old["required"]:
                yield Problem(path, Rule.REMOVED_REQUIRED_FIELD, "consumers rely on it being there")
        elif "properties" in schema and "properties" in there[name]:
            yield from narrowed(there[name], schema, path)
        else:
            yield from _member(there[name], schema, path)
    for name in new["required"]:
        if name not in old["required"]:
            was = "it could be left out" if name in before else "there was no such field"
            yield Problem(below(at, name), Rule.NEW_REQUIRED_FIELD, was)


def _member(new: Schema, old: Schema, path: str) -> Iterator[Problem]:
    options = _options(new)
    for option in _options(old):
        found = [list(_option(other, option, path)) for other in options]
        if all(found):  # none takes it: say what keeps the nearest one from it
            yield from min(
                found, key=lambda problems: (problems[0].rule is Rule.NARROWED_TYPE, len(problems))
            )
    default, former = new.get("default", _ABSENT), old.get("default", _ABSENT)
    is_same = default == former and type(default) is type(former)
    if not is_same and _ABSENT not in (default, former):
        yield Problem(path, Rule.CHANGED_DEFAULT, "events that leave it out would mean something else")


def _options(schema: Schema) -> list[Schema]:
    return list(schema.get("anyOf", [schema]))


def _option(new: Schema, old: Schema, path: str) -> Iterator[Problem]:
    """What keeps one type from accepting all of another."""
    kind, former = _type(new), _type(old)
    if kind not in (former, _WIDER.get(former)):
        yield Problem(path, Rule.NARROWED_TYPE, f"{former} was allowed, now it is {kind}")
        return
    choices, before = _choices(new), _choices(old)
    if choices is not None and before is not None:
        gone = [str(choice) for choice in before if choice not in choices]
        if gone:
            yield Problem(path, Rule.REMOVED_SYMBOL, f"it no longer has {', '.join(gone)}")
    elif choices is not None:
        yield Problem(path, Rule.NARROWED_TYPE, f"any {former} was allowed, now there are choices")
    if before is None:
        yield from _limits(new, old, path)
        yield from _forms(new, old, path)


def _type(schema: Schema) -> str:
    if "const" in schema:
        return "integer" if isinstance(schema["const"], int) else "string"
    return str(schema["type"])


def _choices(schema: Schema) -> list[Any] | None:
    choices: list[Any] | None = [schema["const"]] if "const" in schema else schema.get("enum")
    return choices


def _limits(new: Schema, old: Schema, path: str) -> Iterator[Problem]:
    for sign, names in (
        (1, ("minimum", "exclusiveMinimum")),
        (-1, ("maximum", "exclusiveMaximum")),
        (1, ("minLength",)),
        (-1, ("maxLength",)),
    ):
        limit, former = _limit(new, names, sign), _limit(old, names, sign)
        if limit is not None and (former is None or limit > former):
            yield Problem(
                path, Rule.TIGHTENED_LIMIT, f"{names[0]} is {_shown(limit, sign)}, {_was(former, sign)}"
            )


def _limit(schema: Schema, names: tuple[str, ...], sign: int) -> tuple[float, bool] | None:
    """The tightest of these limits: a number that is larger the tighter it is, and whether it is outside."""
    found = [(sign * schema[name], name.startswith("exclusive")) for name in names if name in schema]
    return max(found, default=None)


def _shown(limit: tuple[float, bool], sign: int) -> str:
    return f"{'beyond ' if limit[1] else ''}{sign * limit[0]}"


def _was(limit: tuple[float, bool] | None, sign: int) -> str:
    return "there was none" if limit is None else f"it was {_shown(limit, sign)}"


def _forms(new: Schema, old: Schema, path: str) -> Iterator[Problem]:
    if "format" in new and new["format"] != old.get("format"):
        yield Problem(path, Rule.NARROWED_TYPE, f"text was allowed, now it is {new['format']}")
    elif "pattern" in new and not covers(new["pattern"], old.get("pattern", "")):
        yield Problem(
            path, Rule.TIGHTENED_PATTERN, "its pattern is not sure to match what the former one did"
        )
