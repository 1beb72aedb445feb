"""The pages of docs/reference, each made from what it describes; `sluice schemas render` writes them.

They are of the project's own events and views, whatever extensions are loaded: these have pages of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import click
from prometheus_client import Counter, Gauge, Histogram

from schemas.extensions import Extension
from schemas.render import FOLDER, page, render, render_events, table
from streams import metrics
from streams.cli.reference_sources import sources_page
from streams.errors import ErrorCode
from streams.feed.replica import Replica
from streams.http.answer.models import Problem
from streams.http.answer.problems import COMMON
from streams.http.app import create_api
from streams.monitoring.files import dashboards, monitoring_files
from streams.monitoring.options import Options
from streams.settings import PREFIX, Settings
from tables.spec.tracked import Tracked
from tables.spec.view import View
from tables.views import OWN

HELP_WIDTH = 100
SETTING_NAMES = "deploy/helm/sluice/settings.txt"
"""What the chart knows of settings: it refuses others by name."""


def pages(command: click.Group) -> dict[str, str]:
    """Path, relative to the repository's root, to the content of each generated file. `command`: `sluice`."""
    made = {
        "settings": _settings,
        "metrics": _metrics,
        "errors": _errors,
        "http": _http,
        "sources": sources_page,
    }
    written = {name: make() for name, make in made.items()} | {"cli": _cli(command)}
    written["views"] = _views(OWN.values(), "tables/views", "[the contract](../contract.md)")
    options = Options.load()
    made_of_metrics = {**monitoring_files(options), **dashboards(options)}
    deployed = {f"deploy/{path}": content for path, content in made_of_metrics.items()}
    deployed[SETTING_NAMES] = "".join(f"{name}\n" for name in _variables())
    return render() | {f"{FOLDER}/{name}.md": content for name, content in written.items()} | deployed


def pages_of(extension: Extension) -> dict[str, str]:
    """The same of an extension's events and views, below a folder of its own."""
    source, contract = extension.package, "Sluice's contract"
    events = sorted(extension.events, key=lambda spec: spec.domain)
    files = render_events(events, source, f"{contract} (§1)") if events else {}
    if extension.views:
        files[f"{FOLDER}/views.md"] = _views(extension.views, source, contract)
    return files


def _variables() -> list[str]:
    return sorted(PREFIX + setting.name.upper() for setting in fields(Settings))


def _settings() -> str:
    about = (
        "Every setting is an environment variable. A value that is not allowed ends a command with exit"
        " code 2 and one line that names the variable, its value and what is allowed. `sluice settings`"
        " shows the values of now."
    )
    rows = [
        (
            _code(PREFIX + setting.name.upper()),
            _code(about["default"]) or "(empty)",
            about["allowed"],
            about["doc"],
        )
        for setting in fields(Settings)
        for about in [setting.metadata]
    ]
    return page("Settings", "streams/settings.py", about, table("variable|default|allowed|what it is", rows))


def _metrics() -> str:
    about = (
        "Served as `/metrics` by workers on `SLUICE_METRICS_PORT`, and by the api and ingest on their own"
        " ports. Labels are bounded: no city, id or unknown event name is one (an event that is not in the"
        " catalogue counts as `_unknown`)."
    )
    declared = [one for one in vars(metrics).values() if isinstance(one, Counter | Gauge | Histogram)]
    rows = []
    for one in declared:
        (family,) = one.describe()
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = ", ".join(map(_code, one._labelnames))
        rows.append((_code(name), family.type, labels, family.documentation))
    return page("Metrics", "streams/metrics.py", about, table("metric|type|labels|meaning", rows))


def _errors() -> str:
    about = (
        "Counted in `sluice_errors_total{code}`, with one log line each. `warning`: look in working"
        " hours; `critical`: somebody is paged."
    )
    rows = [
        (
            f"[`{code.name}`](../{code.runbook.removeprefix('docs/')})",
            code.severity,
            code.meaning,
            code.raised_by or "nothing yet: a name for the jobs of the lake",
        )
        for code in ErrorCode
    ]
    columns = "code and runbook|severity|meaning|raised by"
    return page("Error codes", "streams/errors.py", about, table(columns, rows))


def _views(views: Iterable[View], source: str, contract: str) -> str:
    about = (
        "Of each view its dimensions and measures, and of one that follows entities their states and what"
        f" is kept of them. How panes, entities and ratios are computed stands in {contract} (§3)."
    )
    return page("Views", source, about, "\n\n".join(map(_view, views)))


def _view(view: View) -> str:
    events = ", ".join(map(_code, sorted(view.events))) or "all records, bad ones too"
    measures = [(_code(measure.name), measure.unit.value, measure.description) for measure in view.measures]
    parts = [
        f"## {view.name}\n{view.description}",
        f"A view of kind `{view.kind}` by {', '.join(map(_code, view.dimensions))}, from {events}.",
        table("measure|unit|is", measures),
        *(_tracked(view.tracks) if view.tracks else ()),
    ]
    return "\n\n".join(parts)


def _tracked(tracks: Tracked) -> Iterator[str]:
    yield (
        f"An entity is named by {', '.join(map(_code, tracks.id_fields))}; of its latest event"
        f" {', '.join(map(_code, tracks.kept_names))} are kept."
    )
    life = {(True, False): "opens", (False, True): "closes", (False, False): ""}
    stages = [(_code(s.state), _code(s.event), str(s.rank), life[s.opens, s.closes]) for s in tracks.stages]
    yield table("state|latest event|rank|the entity", stages)
    yield table("selection|is", [(_code(one.name), one.description) for one in tracks.selections])


def _http() -> str:
    about = (
        "The api describes itself in `/openapi.json`, of which this is made, and for people in `/docs`."
        " What callers rely on stands in [the contract](../contract.md) (§6), and how it is read in [the"
        " api in detail](../api.md)."
    )
    replica = Replica(OWN, Settings.load({}))
    document = create_api(replica).openapi()
    replica.close()
    routes = [
        _route(f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    answers = {**document["components"]["schemas"], "Problem": Problem.model_json_schema()}
    models = [_model(name, schema) for name, schema in sorted(answers.items())]
    common = table("status|is", [(str(status), answer["description"]) for status, answer in COMMON.items()])
    also = f"## What every route under /v1 may answer, too\n{common}"
    return page("HTTP", "streams/http", about, "\n\n".join([also, *routes, *models]))


def _route(asked: str, operation: Mapping[str, Any]) -> str:
    parameters = [
        (
            _code(one["name"]),
            _type(one["schema"]),
            _code(one["schema"].get("default", "")),
            one["description"],
        )
        for one in operation.get("parameters", ())
    ]
    answers = [
        (status, _content(answer), answer["description"])
        for status, answer in operation["responses"].items()
        if int(status) not in COMMON
    ]
    return "\n\n".join([
        f"## {asked}\n{operation['summary']}",
        *([table("parameter|type|default|is", parameters)] if parameters else ()),
        table("status|answer|is", answers),
    ])  # fmt: skip


def _content(answer: Mapping[str, Any]) -> str:
    forms = answer.get("content", {}).items()
    return ", ".join(f"`{kind}` {_type(of.get('schema', {}))}" for kind, of in forms)


def _model(name: str, schema: Mapping[str, Any]) -> str:
    members = [
        (_code(member), _type(one), one.get("description", ""))
        for member, one in schema.get("properties", {}).items()
    ]
    shown = table("member|type|is", members) if members else _type(schema)
    return f"## {name}\n{schema['description']}\n\n{shown}"


def _type(schema: Mapping[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return " or ".join(map(_code, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_type, schema["anyOf"])))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema["title"] if "properties" in schema else schema.get("format", schema.get("type", "")))


def _cli(command: click.Group) -> str:
    about = "What each command says with `--help`. Exit codes: 0 done, 1 failed, 2 wrong usage."
    top = click.Context(command, info_name="sluice", terminal_width=HELP_WIDTH)
    return page("Commands", "streams/cli", about, "\n\n".join(_helps(command, top)))


def _helps(command: click.Command, ctx: click.Context) -> Iterator[str]:
    yield f"## {ctx.command_path}\n```text\n{command.get_help(ctx)}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from _helps(below, click.Context(below, info_name=name, parent=ctx))


def _code(text: object) -> str:
    return f"`{text}`" if text != "" else ""
