"""Kafka: answering, with the topics as planned."""

from __future__ import annotations

from streams.doctor.finding import GOOD, WRONG, Finding, Patient
from streams.kafka import topics
from streams.kafka.acls import topics_inspected
from streams.kafka.availability import connected_admin, why_away
from streams.kafka.rights import missing_rights


async def answers(patient: Patient) -> list[Finding]:
    """Whether it answers, and if not, why. Without it nothing else of Kafka is looked at."""
    where = ",".join(patient.settings.kafka)
    why = await why_away(patient.settings, patient.seconds)
    if why is not None:
        mend = "start it (`sluice bus up` runs an embedded one) or set SLUICE_KAFKA and SLUICE_KAFKA_SECURITY"
        return [Finding("kafka", WRONG, f"{where} does not answer: {why}", mend)]
    return [Finding("kafka", GOOD, f"{where} answers")]


async def rights(patient: Patient) -> list[Finding]:
    """Whether who asks may look at all that is looked at here."""
    async with connected_admin(patient.settings) as admin:
        lacking = await missing_rights(admin, patient.settings, "doctor")
    if not lacking:
        return [Finding("rights", GOOD, "all is there to be looked at")]
    mend = "`sluice topics list --acls --role doctor` prints what is needed; until then some of this is wrong"
    return [Finding("rights", WRONG, f"Kafka gives no right to {', '.join(lacking)}", mend)]


async def topics_as_planned(patient: Patient) -> list[Finding]:
    """Whether all topics are there and as they should be."""
    found = await topics.inspect(patient.settings, topics_inspected(patient.settings, "doctor"))
    if not found:
        return [Finding("topics", GOOD, "all are there and as they should be")]
    return [Finding(f"topic {one.topic}", WRONG, one.problem, one.mend) for one in found]
