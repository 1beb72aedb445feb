"""The rules' options: what is chosen is in the rules, and what is wrong is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from streams.cli.main import main
from streams.monitoring.files import ALERTMANAGER, RULES, monitoring_files
from streams.monitoring.options import Options
from streams.setting_groups.declared import SettingError
from tests.support.prometheus import needs_amtool, needs_promtool, passes


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("lag_seconds", "soon", "a whole number from 1 to 86400"),
        ("lag_second", "60", "an option that there is: lag_seconds?"),
        ("selector", "everything", 'label matchers with commas, such as namespace="sluice"'),
        ("selector", 'job=~"("', "label matchers"),
        ("freshness_seconds", "3", "one of 0.02, 0.05"),
        ("freshness_objective", "1", "a decimal number from 0.9 to 0.99999"),
        ("bronze_warn_seconds", "3600", "below bronze_page_seconds (3600)"),
        ("certificate_warn_days", "1", "above certificate_page_days (2)"),
        ("page_url", "pager.example", "an http(s) URL"),
    ],
)
def test_what_is_wrong_is_refused_by_name(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingError) as caught:
        Options.load([(name, value)])
    assert str(caught.value).startswith(f"{name}={value!r} is not allowed: it must be ")
    assert says in str(caught.value)


def test_a_pair_of_thresholds_is_judged_together() -> None:
    options = Options.load([("bronze_warn_seconds", "3600"), ("bronze_page_seconds", "7200")])
    assert (options.bronze_warn_seconds, options.bronze_page_seconds) == (3600, 7200)


@pytest.mark.parametrize(
    ("seconds", "scale", "written"),
    [(60, "1", "1m"), (90, "1", "90s"), (259200, "1", "3d"), (0.5, "1", "500ms"), (60, "0.1", "6000ms")],
)
def test_durations_are_scaled(seconds: float, scale: str, written: str) -> None:
    assert Options.load([("time_scale", scale)]).duration(seconds) == written


def test_the_command_writes_what_was_chosen(tmp_path: Path) -> None:
    chosen = ["--selector", 'namespace="prod"', "--set", "lag_seconds=123", "--set", "roles=views,api"]
    chosen += ["--set", "page_url=https://pager.example/v1"]
    done = CliRunner().invoke(main, ["monitoring", "render", "--out", str(tmp_path), *chosen, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {"written": [RULES, ALERTMANAGER]}
    groups = yaml.safe_load((tmp_path / RULES).read_text())["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    (lag,) = (rule for rule in found if rule.get("alert") == "SluiceLagExceeded")
    assert 'sluice_consumer_lag_seconds{namespace="prod"}) > 123' in lag["expr"]
    absent = [rule["labels"]["role"] for rule in found if rule.get("alert") == "SluiceRoleAbsent"]
    assert absent == ["views", "api"]
    receivers = yaml.safe_load((tmp_path / ALERTMANAGER).read_text())["receivers"]
    assert receivers[0]["webhook_configs"][0]["url"] == "https://pager.example/v1"


def test_the_command_ends_with_2_for_a_wrong_value(tmp_path: Path) -> None:
    for value in ("lag_seconds=soon", "lag_seconds"):
        done = CliRunner().invoke(main, ["monitoring", "render", "--out", str(tmp_path), "--set", value])
        assert done.exit_code == 2
    assert not list(tmp_path.iterdir())


@needs_promtool
@needs_amtool
def test_other_values_are_accepted_too(tmp_path: Path) -> None:
    options = Options.load([("time_scale", "0.05"), ("freshness_seconds", "0.4")])
    for path, content in monitoring_files(options).items():
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(content)
    passes("promtool", "check", "rules", tmp_path / RULES)
    passes("amtool", "check-config", tmp_path / ALERTMANAGER)
