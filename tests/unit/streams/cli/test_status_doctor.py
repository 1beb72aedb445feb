"""The doctor of `sluice status`: it looks in the background, and writes nothing over what is drawn."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from streams.cli.status_doctor import StatusDoctor
from streams.doctor.finding import GOOD, NOTE, Finding, Patient
from streams.settings import Settings
from tests.support.kafka import wait_until

AWAY = {"SLUICE_KAFKA": "127.0.0.1:1", "SLUICE_HTTP_PORT": "1"}


async def test_it_is_looking_until_it_has_looked(capfd: pytest.CaptureFixture[str]) -> None:
    doctor = StatusDoctor(Settings.load(AWAY))
    first = doctor.lately()
    assert (first.findings, first.looking) == (None, True)
    found = await wait_until(lambda: doctor.lately().findings, "its findings", seconds=60)
    assert not doctor.lately().looking
    assert "wrong" in {one["state"] for one in found}
    logging.getLogger("streams.kafka").warning("over the screen")
    logging.getLogger("aiokafka").error("over the screen")
    assert capfd.readouterr() == ("", "")


async def test_one_that_cannot_look_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def examine(_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("streams.doctor.examine.examine", examine)
    doctor = StatusDoctor(Settings.load(AWAY))
    (finding,) = await wait_until(lambda: doctor.lately().findings, "its findings", seconds=60)
    assert (finding["state"], finding["found"]) == ("wrong", "it could not look (ZeroDivisionError: )")


def test_it_is_told_what_is_not_run_on_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Patient] = []

    async def examine(patient: Patient) -> list[Finding]:
        told.append(patient)
        return [Finding("a", GOOD, "fine"), Finding("b", NOTE, "so so")]

    monkeypatch.setattr("streams.doctor.examine.examine", examine)
    found = StatusDoctor(Settings.load(AWAY), ["bronze"]).now()
    assert [(one["what"], one["state"]) for one in found] == [("b", "note")]
    assert [patient.without for patient in told] == [{"bronze"}]
