"""deploy/prometheus/rules.yml: its metrics exist, its codes are ours, and Prometheus accepts it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import REGISTRY

from streams import metrics
from streams.errors import ErrorCode

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
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
        if "code" in rule["labels"]:
            assert rule["annotations"]["runbook"] == ErrorCode[rule["labels"]["code"]].runbook


def test_prometheus_reads_the_rules() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    assert config["rule_files"] == ["rules.yml"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on PATH")
def test_promtool_accepts_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
