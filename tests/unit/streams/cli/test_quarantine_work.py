"""Progress of the quarantine's commands, and what is told of records that were left out."""

from __future__ import annotations

import sys
from dataclasses import replace

import click
import pytest

from agents.quarantine.record import Position, QuarantineRecord
from schemas.catalogue import EVENTS
from schemas.spec import Adapter
from streams.cli.common import Failure
from streams.cli.quarantine_dismiss import because
from streams.cli.quarantine_selection import Chosen, Sent
from streams.cli.quarantine_work import Meter, fail_for_left_out, passed_over
from streams.sources.quarantine_chosen import Cut
from streams.sources.quarantine_replay import Outcome


def test_progress_is_one_line_of_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    meter = Meter("sent")
    for done in range(1_000, 5_000):
        meter(done)
    meter.end()
    told = capsys.readouterr()
    assert told.err.startswith("\r\x1b[K1,000 sent")
    assert told.err.endswith("\r\x1b[K")
    assert "\n" not in told.err
    assert told.out == ""


def test_elsewhere_progress_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter("sent")
    meter(1)
    meter.end()
    assert capsys.readouterr().err == ""


def test_what_was_done_with_before_is_told_by_state() -> None:
    outcome = Outcome()
    assert passed_over(outcome, again=False) == ""
    outcome.passed.update(replayed=2, dismissed=1)
    said = "; 2 passed over, as they were replayed before; 1 passed over, as they were dismissed before"
    assert passed_over(outcome, again=False) == f"{said} (--again sends them too)"
    assert passed_over(outcome, again=True) == " (of them 2 replayed and 1 dismissed before)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("payout.paid", "is not EVENT:VERSION"),
        ("payout.paid:two", "is not EVENT:VERSION"),
        ("payout.pade:2", "there is no 'payout.pade'.*payout.paid"),
        (
            "payout.paid:2",
            "no adapter takes version 2 of payout.paid: 1 is known, and from adapters no other",
        ),
    ],
)
def test_an_adapter_that_there_is_not_is_wrong_usage(text: str, said: str) -> None:
    with pytest.raises(click.BadParameter, match=said):
        Sent.of(text)


def test_records_are_chosen_by_their_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    event = EVENTS["payout.paid"]
    step = Adapter(of=2, to=1, adapt=lambda event: event["payload"], examples=())
    monkeypatch.setitem(EVENTS, "payout.paid", replace(event, adapters=(step,)))
    chosen = Chosen(since=None, to=None, adapter=Sent.of("payout.paid:2"))
    assert chosen.given

    def record(value: bytes, reason: str = "unknown_version") -> QuarantineRecord:
        return QuarantineRecord(
            Position(0, 0), "EVENT_SCHEMA_INVALID", reason, "", "", "events.raw", 0, 0, "", None, value
        )

    assert chosen(record(b'{"event":"payout.paid","version":2}'))
    assert not chosen(record(b'{"event":"payout.paid","version":3}'))
    assert not chosen(record(b'{"event":"payout.paid","version":"2"}'))
    assert not chosen(record(b'{"event":"payout.failed","version":2}'))
    assert not chosen(record(b'{"event":"payout.paid","version":2}', "payload_field"))
    with pytest.raises(click.UsageError, match="leave out --event and --reason"):
        Chosen(since=None, to=None, adapter=Sent("payout.paid", 2), event=["payout.paid"])


def test_records_that_were_left_out_fail_the_command() -> None:
    fail_for_left_out(Outcome(), Cut(), "sent again")
    with pytest.raises(
        Failure, match="3 not sent again, as they could not be repaired, the first is 1:7: why"
    ):
        fail_for_left_out(Outcome(unrepaired={"why": (3, Position(1, 7))}), Cut(), "sent again")


@pytest.mark.parametrize("text", ["", "  ", "x" * 201])
def test_a_dismissal_needs_a_short_reason(text: str) -> None:
    with pytest.raises(Exception, match="1 to 200 characters"):
        because(text)
