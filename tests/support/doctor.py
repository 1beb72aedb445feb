"""`sluice doctor` as programs ask it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.support.processes import Sluice

Findings = dict[str, list[dict[str, Any]]]


async def doctor(sluice: Sluice, *options: str, **settings: Any) -> tuple[int, Findings]:
    done = await asyncio.to_thread(sluice.run, "doctor", "--json", *options, **settings)
    assert done.returncode in {0, 1}, done.stderr
    findings: Findings = {}
    for finding in json.loads(done.stdout):
        findings.setdefault(finding["what"], []).append(finding)
    return done.returncode, findings
