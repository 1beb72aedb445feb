"""deploy/prometheus and deploy/alertmanager: what they name exists, and promtool and amtool accept it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from streams import metrics
from streams.errors import SEVERITIES, ErrorCode
from streams.monitoring.files import monitoring_files
from streams.monitoring.options import Options
from tests.support.paths import ROOT
from tests.support.prometheus import needs_amtool, needs_promtool, passes

FOLDER = ROOT / "deploy" / "prometheus"
TESTS = sorted((FOLDER / "tests").glob("*.yml"))


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "rules.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def declared() -> set[str]:
    """The names of all samples that our metrics can have."""
    assert metrics.__doc__, "importing it declares them all"
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}
    return {f"{one.name}{end}" for one in REGISTRY.collect() for end in endings.get(one.type, [])}


def test_every_metric_is_one_of_ours_and_every_recorded_series_is_recorded() -> None:
    known, recorded = declared(), {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        for name in re.findall(r"\bsluice_\w+", rule["expr"]):
            assert name in known, rule
        for name in re.findall(r"\bsluice:[\w:]+", rule["expr"]):
            assert name in recorded, rule


def test_every_series_is_selected() -> None:
    """A series that is not below the selector would be another environment's."""
    selector = 'namespace="elsewhere"'
    made = monitoring_files(Options.load([("selector", selector)]))["prometheus/rules.yml"]
    for group in yaml.safe_load(made)["groups"]:
        for rule in group["rules"]:
            for name, bracket in re.findall(r"\b(sluice_\w+|up|process_\w+)\b(\{[^}]*\})?", rule["expr"]):
                assert bracket.startswith("{" + selector), (name, rule)


def test_every_alert_says_how_bad_it_is_whose_and_what_to_open() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in SEVERITIES
        assert rule["labels"].get("code") in {None, *ErrorCode.__members__}
        assert rule["annotations"]["summary"]
        assert (ROOT / rule["annotations"]["runbook"]).is_file(), rule["alert"]
        assert "city" not in rule["expr"]


def cases(fires: bool) -> Iterator[tuple[str, str]]:
    """The alerts, by name and severity, that a test sees firing, or not."""
    for file in TESTS:
        for test in yaml.safe_load(file.read_text("utf-8"))["tests"]:
            for question in test["promql_expr_test"]:
                named = dict(re.findall(r'(alertname|severity)="(\w+)"', question["expr"]))
                if bool(question["exp_samples"]) == fires:
                    yield named["alertname"], named["severity"]


def test_for_every_alert_there_is_a_case_that_fires_and_one_that_does_not() -> None:
    there = {(rule["alert"], rule["labels"]["severity"]) for rule in alerts()}
    assert there == set(cases(fires=True))
    assert there == set(cases(fires=False))


@needs_promtool
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_alerts_fire_as_they_should(file: Path) -> None:
    passes("promtool", "test", "rules", file)


@needs_promtool
def test_prometheus_accepts_its_configuration() -> None:
    passes("promtool", "check", "config", FOLDER / "prometheus.yml")


@needs_amtool
def test_alertmanager_accepts_its_configuration() -> None:
    passes("amtool", "check-config", ROOT / "deploy" / "alertmanager" / "alertmanager.yml")


def test_what_inhibits_and_is_inhibited_exists() -> None:
    known = {rule["alert"] for rule in alerts()}
    config = yaml.safe_load((ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text("utf-8"))
    named = {
        name
        for rule in config["inhibit_rules"]
        for matcher in rule["source_matchers"] + rule["target_matchers"]
        if matcher.startswith("alertname")
        for name in re.findall(r"Sluice\w+", matcher)
    }
    assert named
    assert named <= known


def test_every_error_counts_from_zero() -> None:
    there = {sample.labels["code"] for metric in metrics.ERRORS.collect() for sample in metric.samples}
    assert there == {code.name for code in ErrorCode}
