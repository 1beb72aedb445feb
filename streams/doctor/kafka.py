"""Kafka: answering, with the topics as planned."""

from __future__ import annotations

from streams.doctor.finding import GOOD, WRONG, Finding, Patient
from streams.kafka import topics
from streams.kafka.availability import why_away


async def answers(patient: Patient) -> list[Finding]:
    """Whether it answers, and if not, why. Without it nothing else of Kafka is looked at."""
    where = ",".join(patient.settings.kafka)
    why = await why_away(patient.settings, patient.seconds)
    if why is not None:
        mend = "start it (`sluice bus up` runs an embedded one) or set SLUICE_KAFKA and SLUICE_KAFKA_SECURITY"
        return [Finding("kafka", WRONG, f"{where} does not answer: {why}", mend)]
    return [Finding("kafka", GOOD, f"{where} answers")]


async def topics_as_planned(patient: Patient) -> list[Finding]:
    """Whether all topics are there and as they should be."""
    found = await topics.inspect(patient.settings)
    if not found:
        return [Finding("topics", GOOD, "all are there and as they should be")]
    return [Finding(f"topic {one.topic}", WRONG, one.problem, one.mend) for one in found]
