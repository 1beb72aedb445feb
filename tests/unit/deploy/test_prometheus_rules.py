"""deploy/prometheus/rules.yml: its metrics exist, its codes are ours, and Prometheus accepts it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from streams import metrics
from streams.errors import ErrorCode
from tests.support.paths import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
RULES = FOLDER / "rules.yml"


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def test_every_metric_and_label_is_one_of_ours() -> None:
    assert metrics.__doc__, "importing it declares them all"
    declared = {name for metric in REGISTRY.collect() for name in (metric.name, f"{metric.name}_total")}
    for rule in rules():
        for name in re.findall(r"sluice_\w+", rule["expr"]):
            assert name in declared, f"{rule['alert']}: {name}"


def test_every_rule_pages_and_says_what_to_open() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] == "critical"
        assert rule["annotations"]["summary"]
        assert rule["labels"].get("code") in {None, *ErrorCode.__members__}
        assert (ROOT / rule["annotations"]["runbook"]).is_file(), rule["alert"]


def test_prometheus_reads_the_rules() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    assert config["rule_files"] == ["rules.yml"]


PUT_FAILED = """
rule_files: [{rules}]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - series: 'sluice_errors_total{{code="EVENT_PUT_FAILED"}}'
        values: '{values}'
    promql_expr_test:
      - expr: count(ALERTS{{alertname="SluicePutFailed", alertstate="firing"}}) or vector(0)
        eval_time: 6m
        exp_samples: [{{labels: '{{}}', value: {fires}}}]
"""


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on PATH")
@pytest.mark.parametrize(
    ("values", "fires"),
    [
        ("0x3 1x60", 0),
        ("0x14 1x60", 0),
        ("0x19 1x60", 0),
        ("0 0 0 0+0.25x60", 1),
        ("0x5 1x5 2x5 3x5 4x60", 1),  # a try of 85 s, and a pause
    ],
)
def test_failing_writes_page_when_they_go_on(values: str, fires: int, tmp_path: Path) -> None:
    test = tmp_path / "test.yml"
    test.write_text(PUT_FAILED.format(rules=RULES, values=values, fires=fires), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", test], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_error_counts_from_zero() -> None:
    there = {sample.labels["code"] for metric in metrics.ERRORS.collect() for sample in metric.samples}
    assert there == {code.name for code in ErrorCode}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on PATH")
def test_promtool_accepts_the_rules() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
