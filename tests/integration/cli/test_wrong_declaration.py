"""A wrong declaration is refused at start, in one line, by whatever computes or shows views."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

WRONG = """
from dataclasses import replace
from tables.spec.measures import Ratio
wrong = Ratio("orphan_rate", "", ("cancellations",), ("none_such",))
KPI_GMV = replace(KPI_GMV, measures=(*KPI_GMV.measures, wrong))
"""
LINE = (
    "sluice: view kpi_gmv, measure orphan_rate: needs none_such, which is no earlier measure: list it before"
    " this one\n"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose kpi_gmv has a ratio of what is not there."""
    folder = tmp_path_factory.mktemp("project")
    for package in ("schemas", "tables", "agents", "streams"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "tables/views/kpi_gmv.py").open("a", encoding="utf-8") as declared:
        declared.write(WRONG)
    return folder


def sluice(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams.cli.main", *arguments],
        cwd=project, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    "command", ["worker views", "worker gates", "worker all", "api", "doctor --timeout 1"]
)
def test_it_is_one_line_and_exit_code_1(project: Path, command: str) -> None:
    done = sluice(project, *command.split())
    assert (done.returncode, done.stdout, done.stderr) == (1, "", LINE)


def test_commands_that_have_nothing_to_do_with_views_go_on(project: Path) -> None:
    assert sluice(project, "settings").returncode == 0
