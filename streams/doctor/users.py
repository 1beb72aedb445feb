"""Whether experiments can be trusted: all that a user does has to be on one partition, with the exposures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from aiokafka import TopicPartition

from schemas.validation.fast_path import EVENT_TYPES, Event
from schemas.validation.validator import Validator
from streams.chosen_views import chosen_views
from streams.doctor.finding import GOOD, WRONG, Finding, Patient, State
from streams.doctor.reading import reading
from streams.kafka.records import records_from
from streams.kafka.topology import partitions_of
from streams.registry.schemas import Schemas
from tables.spec.experiment import Experiment

SAMPLED = 500
"""The newest records of each partition that are looked at."""

Seen = tuple[str, str, bytes | None, TopicPartition]
"""An event's name, its user, the record's key and where it lies."""


async def users_on_one_partition(patient: Patient) -> list[Finding]:
    """For each experiment view, whether the sampled events of its users are keyed by them."""
    views = [view for view in chosen_views(patient.settings).values() if isinstance(view, Experiment)]
    raw = await partitions_of(patient.settings, patient.settings.raw_topics)
    if not views or not raw:
        return []
    user_of = {EVENT_TYPES[name]: (name, view.exposure.user) for view in views for name in view.events}
    seen = await _sample(patient, raw, user_of)
    return [
        Finding(f"users of {view.name}", *judge([one for one in seen if one[0] in view.events]))
        for view in views
    ]


async def _sample(
    patient: Patient, raw: list[TopicPartition], user_of: dict[type[Event], tuple[str, str]]
) -> list[Seen]:
    settings = patient.settings
    schemas = Schemas(settings, final=True)
    await schemas.read()
    validator = Validator(settings.max_event_bytes, schemas.known)
    seen: list[Seen] = []
    async with reading(settings) as consumer:
        consumer.assign(raw)
        begins, ends = await consumer.beginning_offsets(raw), await consumer.end_offsets(raw)
        starts = {tp: max(begins[tp], ends[tp] - SAMPLED) for tp in raw}
        async for record in records_from(consumer, starts, SAMPLED):
            event = validator.validate(record.value, record.timestamp)
            if isinstance(event, Event) and event.__class__ in user_of:
                name, field = user_of[event.__class__]
                user = getattr(event.payload, field)
                if user is not None:
                    tp = TopicPartition(record.topic, record.partition)
                    seen.append((name, user, record.key, tp))
    return seen


def judge(seen: Iterable[Seen]) -> tuple[State, str, str]:
    """The state, what was found and what to do. A key may be any text that has the user in it."""
    where: dict[str, set[TopicPartition]] = defaultdict(set)
    count, otherwise = Counter[str](), Counter[str]()
    for name, user, key, tp in seen:
        where[user].add(tp)
        count[name] += 1
        otherwise[name] += key is None or user.encode() not in key
    sampled = f"{count.total():,} sampled events of {len(where):,} users"
    scattered = sum(len(partitions) > 1 for partitions in where.values())
    mend = "have producers key " + " and ".join(sorted(count)) + " by their user; until then users are missed"
    if scattered:
        return WRONG, f"{scattered:,} users are on more than one partition, in {sampled}", mend
    if otherwise.total():
        names = ", ".join(f"{otherwise[name]:,} of {name}" for name in sorted(+otherwise))
        return WRONG, f"{names} are keyed by something else than their user, in {sampled}", mend
    return GOOD, f"{sampled}: each is on one partition", ""
