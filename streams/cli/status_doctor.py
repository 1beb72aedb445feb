"""Has `sluice doctor` look, for `sluice status`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection
from dataclasses import asdict

from streams.cli.common import no_logs, plain_logs
from streams.cli.status_facts import Doctored
from streams.doctor.finding import GOOD, WRONG, Finding, Patient
from streams.settings import Settings

DOCTOR_SECONDS = 10.0
DOCTOR_AGAIN_SECONDS = 60.0
"""How often a watch has the doctor look."""

Findings = list[dict[str, str]]


class StatusDoctor:
    """`without`: the roles that are not run on purpose."""

    def __init__(self, settings: Settings, without: Collection[str] = ()) -> None:
        self._settings = settings
        self._without = frozenset(without)
        self._newest: Findings | None = None
        self._looked_at = -DOCTOR_AGAIN_SECONDS
        self._looking: threading.Thread | None = None

    def now(self) -> Findings:
        """Its findings of now, but for those that are good."""
        plain_logs()
        return self._found()

    def lately(self) -> Doctored:
        """Its newest findings, in a watch: once in a while it looks anew, in the background."""
        if self._looking is None and time.monotonic() - self._looked_at >= DOCTOR_AGAIN_SECONDS:
            no_logs()  # they would be written over what is drawn
            self._looking = threading.Thread(target=self._look, daemon=True)
            self._looking.start()
        return Doctored(self._newest, looking=self._newest is None)

    def _look(self) -> None:
        try:
            self._newest = self._found()
        except Exception as error:  # noqa: BLE001 - the watch goes on, and says it
            said = f"it could not look ({type(error).__name__}: {error})"
            self._newest = [asdict(Finding("doctor", WRONG, said, "see `sluice doctor`"))]
        self._looked_at, self._looking = time.monotonic(), None

    def _found(self) -> Findings:
        from streams.doctor.examine import examine  # noqa: PLC0415 - it takes a second to import

        findings = asyncio.run(examine(Patient(self._settings, DOCTOR_SECONDS, self._without)))
        return [asdict(finding) for finding in findings if finding.state != GOOD]
