"""All checks, side by side, within the time there is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

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

HERE: tuple[Check, ...] = (
    environment.settings_together,
    environment.extensions_loaded,
    environment.variables,
)
IN_KAFKA: tuple[Check, ...] = (
    kafka.rights,
    kafka.topics_as_planned,
    workers.views,
    workers.bronze,
    workers.gates,
    lag.lags,
    gate_states.gate_states,
    bad_share.bad_share,
    bad_share.breaker,
    users.users_on_one_partition,
    others.instances,
    others.records,
    schema_registry.ids_keep_their_meaning,
)
"""A new check of what is in Kafka is one more line here."""
AROUND: tuple[Check, ...] = (folders.data_folder, folders.bronze, schema_registry.answers, api.api)
SLACK_SECONDS = 0.5


async def examine(patient: Patient) -> list[Finding]:
    """All findings, in the order of the checks."""
    around = asyncio.create_task(_all(AROUND, patient))
    found = await _all(HERE, patient)
    reached = await _all((kafka.answers,), patient)
    found += reached
    if all(finding.state != WRONG for finding in reached):
        found += await _all(IN_KAFKA, patient)
    return found + await around


async def _all(checks: Sequence[Check], patient: Patient) -> list[Finding]:
    answers = await asyncio.gather(*(_one(check, patient) for check in checks))
    return [finding for answer in answers for finding in answer]


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
