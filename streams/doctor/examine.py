"""All checks, side by side, within the time there is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from streams.doctor import (
    api,
    bad_share,
    environment,
    folders,
    gate_states,
    kafka,
    lag,
    others,
    schema_registry,
    users,
    workers,
)
from streams.doctor.finding import WRONG, Check, Finding, Patient
from streams.kafka.availability import reason_of
from streams.plain_text import plain
from streams.runbooks import page

Checks = Mapping[Check, str]
"""Each with the runbook page for what it finds to be wrong."""

HERE: Checks = {
    environment.settings_together: "gate-stale",
    environment.extensions_loaded: "upgrade",
    environment.variables: "upgrade",
}
REACHED: Checks = {kafka.answers: "broker-lost"}
IN_KAFKA: Checks = {
    kafka.rights: "worker-down",
    kafka.topics_as_planned: "topic-recreated",
    workers.views: "worker-down",
    workers.bronze: "worker-down",
    workers.gates: "worker-down",
    lag.lags: "pipeline-lag",
    gate_states.gate_states: "gate-stale",
    bad_share.bad_share: "poison-flood",
    bad_share.breaker: "poison-flood",
    users.users_on_one_partition: "wrong-number",
    others.instances: "worker-down",
    others.records: "wrong-number",
    schema_registry.ids_keep_their_meaning: "schema-break",
}
"""A new check of what is in Kafka is one more line here."""
AROUND: Checks = {
    folders.data_folder: "worker-down",
    folders.bronze: "bronze-unwritable",
    schema_registry.answers: "schema-break",
    api.api: "worker-down",
}
SLACK_SECONDS = 0.5


async def examine(patient: Patient) -> list[Finding]:
    """All findings, in the order of the checks."""
    around = asyncio.create_task(_all(AROUND, patient))
    found = await _all(HERE, patient)
    reached = await _all(REACHED, patient)
    found += reached
    if all(finding.state != WRONG for finding in reached):
        found += await _all(IN_KAFKA, patient)
    return found + await around


async def _all(checks: Checks, patient: Patient) -> list[Finding]:
    answers = await asyncio.gather(*(_one(check, patient) for check in checks))
    found = zip(checks.values(), answers, strict=True)
    return [_with_page(finding, name) for name, answer in found for finding in answer]


def _with_page(finding: Finding, name: str) -> Finding:
    if finding.state != WRONG or finding.runbook:
        return finding
    return replace(finding, runbook=page(name))


async def _one(check: Check, patient: Patient) -> Sequence[Finding]:
    """A check's findings; what it fails with is one too."""
    what = re.sub(r"\W", " ", f"{check.__module__.rpartition('.')[2]} {check.__name__}").replace("_", " ")
    try:
        async with asyncio.timeout(patient.seconds + SLACK_SECONDS):
            return await check(patient)
    except TimeoutError:
        mend = "give it more with --timeout, and see whether Kafka, the store or this machine is overloaded"
        return [Finding(what, WRONG, f"could not be looked at within {patient.seconds:g} s", mend)]
    except Exception as error:  # noqa: BLE001 - one check that fails must not hide the others
        why = await reason_of(patient.settings, error)
        return [Finding(what, WRONG, f"could not be looked at: {plain(why)}", "mend that, and ask again")]
