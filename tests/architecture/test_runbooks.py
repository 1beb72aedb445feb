"""docs/runbooks: what names a page names one that is there, and what a page names is there."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from streams.cli.main import main
from streams.doctor import examine
from streams.errors import ErrorCode
from streams.runbooks import of_alarm, page
from tests.support.paths import ROOT, TESTS
from tests.support.runbooks import (
    FOLDER,
    PARSED_ALONE,
    commands,
    inline_commands,
    pages,
    rehearsals,
)

NAMES = [path.stem for path in pages()]
SECTIONS = ("How you know", "What to do", "Over when")
MENDED = {
    "pipeline-lag", "topic-recreated", "bronze-unwritable", "poison-flood", "key-compromise", "broker-lost",
    "gate-stale", "disaster-recovery", "wrong-number",
}  # fmt: skip
"""Pages whose mending a test rehearses."""


def test_the_index_has_every_page() -> None:
    text = (FOLDER / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| \[([a-z-]+)\]\(\1\.md\) \|", text, re.MULTILINE)
    assert sorted(listed) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_how_you_know_what_to_do_and_when_it_is_over(name: str) -> None:
    text = (FOLDER / f"{name}.md").read_text("utf-8")
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [one for one in sections if one in SECTIONS] == list(SECTIONS)
    assert re.match(r"# \S.*\n", text)
    assert len(text.splitlines()) < 80, "a page is read at 3 a.m."


def test_whatever_names_a_page_names_one_that_is_there() -> None:
    named = {code.runbook for code in ErrorCode}
    checks = (examine.HERE, examine.REACHED, examine.IN_KAFKA, examine.AROUND)
    named |= {page(name) for some in checks for name in some.values()}
    for beginning in ("audit/v", "breaker/t/0", "groups/v/t/0", "lost/views/t/0/1", "recon/c|GBP/stale/1"):
        named.add(of_alarm(beginning, "QUALITY_CHECK_FAILED"))
    for path in [*ROOT.rglob("docs/**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("deploy/**/*.yml")]:
        named |= set(re.findall(r"docs/runbooks/[a-z-]+\.md", path.read_text("utf-8")))
    for path in ROOT.glob("streams/**/*.py"):
        written = path.read_text("utf-8")
        named |= set(re.findall(r"docs/runbooks/[a-z-]+\.md", written))
        named |= {page(name) for name in re.findall(r"\bpage\(\"([a-z-]+)\"\)", written)}
    assert len(named) >= len(NAMES) - 2
    assert [one for one in sorted(named) if not (ROOT / one).is_file()] == []


def test_every_page_is_named_by_what_leads_to_it() -> None:
    """By an error code, an alert, an alarm, a finding, or another page."""
    text = "".join(path.read_text("utf-8") for path in [*pages(), *ROOT.glob("deploy/prometheus/*.yml")])
    by_code = {code.runbook for code in ErrorCode} | {
        page(name) for some in (examine.HERE, examine.IN_KAFKA, examine.AROUND) for name in some.values()
    }
    led = {name for name in NAMES if page(name) in text or page(name) in by_code}
    assert set(NAMES) - led <= {"certificates", "key-compromise"}, "these begin with what people see"


@pytest.mark.parametrize(
    ("alarm_id", "name"),
    [
        ("audit/kpi_gmv", "wrong-number"),
        ("breaker/events.raw/0", "poison-flood"),
        ("groups/kpi_gmv/events.raw/0", "groups-full"),
        ("lost/views/events.raw/0/17", "pipeline-lag"),
        ("recon/london|GBP/stale/1", "gate-stale"),
        ("recon/london|GBP/alarm/1", "gate-alarm"),
    ],
)
def test_an_alarm_leads_to_its_page(alarm_id: str, name: str) -> None:
    assert of_alarm(alarm_id, "QUALITY_CHECK_FAILED") == f"docs/runbooks/{name}.md"
    assert of_alarm("recon/london|GBP/alarm/1", "OF_ANOTHER_RELEASE") == ""


def test_the_tests_that_rehearse_a_page_are_there() -> None:
    for one in pages():
        found = rehearsals(one)
        assert found or one.stem not in MENDED, one.stem
        for path, test in found:
            assert path.is_relative_to(TESTS), path
            written = path.read_text("utf-8")
            assert f"def {test}(" in written, f"{one.stem}: {path}::{test}"


def test_programs_of_other_deployments_are_known_and_can_be_parsed() -> None:
    for one in pages():
        for command in commands(one):
            if command.program in PARSED_ALONE:
                words = shlex.split(re.sub(r"<[a-z ]+>", "x", command.line))
                allowed = PARSED_ALONE[command.program]
                assert tuple(words[1:2]) in allowed or tuple(words[1:3]) in allowed, command.line


def test_alerts_and_metrics_that_a_page_names_are_there() -> None:
    rules = (ROOT / "deploy/prometheus/rules.yml").read_text("utf-8")
    metrics = (ROOT / "docs/reference/metrics.md").read_text("utf-8")
    for one in pages():
        text = one.read_text("utf-8")
        for alert in re.findall(r"`(Sluice[A-Z]\w+)`", text):
            assert f"alert: {alert}\n" in rules, f"{one.stem}: {alert}"
        for metric in re.findall(r"\bsluice_[a-z_]+", text):
            assert f"| `{metric}` |" in metrics, f"{one.stem}: {metric}"


@pytest.mark.parametrize("name", ["README", *NAMES])
def test_a_command_that_the_prose_names_is_one(name: str) -> None:
    """With its options: what is run by tests/integration/runbooks stands in blocks."""
    for line in inline_commands((FOLDER / f"{name}.md").read_text("utf-8")):
        problem = wrong_with(line)
        assert problem is None, f"{line}: {problem}"


def wrong_with(line: str) -> str | None:
    """What `sluice` does not know of a line; None: nothing."""
    command: click.Command = main
    options: set[str] = set()
    for word in shlex.split(line.replace("…", ""))[1:]:
        if word.startswith("--"):
            options.add(word.partition("=")[0])
        elif isinstance(command, click.Group) and not options:
            found = command.get_command(click.Context(command), word)
            if found is None and command.name == "views":
                return None  # a view's name, and what its dimensions are called
            if found is None:
                return f"no command {word}"
            command = found
    known = {name for one in command.params for name in one.opts} | {"--help", "--version"}
    return None if options <= known or command.ignore_unknown_options else f"no option {options - known}"


def test_a_dead_command_is_found() -> None:
    assert wrong_with("sluice datasets pause") == "no command datasets"
    assert wrong_with("sluice status --with nothing") == "no option {'--with'}"
    assert wrong_with("sluice views rebuild kpi_gmv --from 2026-03-01") is None
