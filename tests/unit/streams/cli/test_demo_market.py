"""What the demo says of its market's incidents."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from streams.cli.demo_market import INCIDENTS, SIMULATE, Announcements
from streams.cli.main import main
from streams.sources.market import choose_scenarios


def test_each_incident_is_said_when_it_begins_and_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    announcements = Announcements()
    said = []
    for second in range(300):
        announcements.say_due(float(second))
        lines = capsys.readouterr().out.splitlines()
        said += [(second, line.partition("  ")[2]) for line in lines]
    assert [(at, line.partition(",")[0].partition(":")[0]) for at, line in said] == [
        (20, "bad-producer begins"),
        (50, "bad-producer has ended"),
        (60, "recon-leak begins"),
        (105, "recon-leak has ended"),
        (180, "dispute-wave begins"),
        (220, "dispute-wave has ended"),
    ]
    assert all(each.text in text for each, (_, text) in zip(INCIDENTS, said[::2], strict=True))


def test_what_was_missed_is_said_at_once_and_only_once(capsys: pytest.CaptureFixture[str]) -> None:
    announcements = Announcements()
    announcements.say_due(70.0)
    assert len(capsys.readouterr().out.splitlines()) == 3
    announcements.say_due(70.0)
    assert capsys.readouterr().out == ""


def test_the_simulator_is_told_the_same_incidents() -> None:
    scenarios = SIMULATE[SIMULATE.index("--scenario") + 1]
    assert choose_scenarios([scenarios]) == INCIDENTS
    answer = CliRunner().invoke(main, [*SIMULATE, "--count", "1", "--out", "-", "--json"])
    assert answer.exit_code == 0
