"""The users of experiments, of one view and one source partition, and the sums over them.

Of a user are kept the exposures that came first, and when the metric's events were: an exposure may come in
later than what the user did after it. A join again: of the exposures of a user to an experiment the least
(occurred_at, variant, covariate, null last) counts, so that order and repeats change nothing.

An experiment is forgotten when the partition's watermark is twice the hour panes past its newest exposure
here: readers see its end after once the hour panes (tables/read/experiments.py), by the exposures of all
partitions.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import xxhash

from tables.experiments.moments import Moments, User
from tables.experiments.records import (
    Exposed,
    UserState,
    decode_experiment,
    decode_user,
    encode_experiment,
    encode_user,
)
from tables.fold.entities import Item
from tables.fold.readers import field, tuple_of
from tables.fold.times import Times
from tables.keys import experiment_prefix, of_topic, user_prefix
from tables.spec.experiment import Experiment
from tables.spec.fields import OTHER, EventTypes
from tables.spec.windowed import Term
from tables.times import HOUR_US

MOST_EVENTS = 256
"""So many of a user's newest events of the metric have their times kept. An exposure that comes in after more
of them than that counts those it still finds."""
SWEPT_USERS = 200
"""Users a checkpoint that are looked at for what is out of date."""


class _Source(NamedTuple):
    """What is kept of an event: the user, and the exposure's fields or what it adds to the metric."""

    kept: str
    exposes: bool


class _Life:
    """An experiment while it lasts: its newest exposure (µs), the sums by variant, and since when it is; what
    users have of it from before is of an earlier one of that name."""

    def __init__(self, since_us: int, newest_us: int, variants: dict[str, Moments]) -> None:
        self.since_us = since_us
        self.newest_us = newest_us
        self.variants = variants


_Parts = list[tuple[str, _Life, str, User]]
"""What a user adds: the experiment, its life, the variant, and to that one's sums."""


class ExperimentStore:
    """Users and sums of one view. `kept_us`: how far behind the watermark events are folded; `most`: how many
    experiments there may be: what comes beyond is one that is called `_other`, of one variant.

    `summed`: exposures that went there since whoever counts them has set it to 0; `is_full`: whether those of
    a new experiment would now.
    """

    def __init__(
        self, view: Experiment, topic: str, event_types: EventTypes, kept_us: int, most: int
    ) -> None:
        self.summed = 0
        self._most = most
        self.stages = _compile(view, event_types)
        named = view.name, view.definition_hash, topic
        self._users, self._sums = user_prefix(*named).encode(), experiment_prefix(*named).encode()
        self._divides = bool(view.metric.per)
        self._kept_us = kept_us
        self._states: dict[int, bytes] = {}
        self._lives: dict[str, _Life] = {}
        self._hot: dict[int, tuple[UserState, _Parts]] = {}
        self._changed: set[str] = set()
        self._sweep: Iterator[int] = iter(())
        self._swept_hour: int | None = None

    @property
    def is_full(self) -> bool:
        """See above."""
        return len(self._lives) - (OTHER in self._lives) >= self._most

    def __len__(self) -> int:
        return len(self._states)

    def fold(self, items: Iterable[Item], times: Times, at: Mapping[type[Any], int]) -> None:
        """Take events, in the order of their offsets; those of other views are passed over.

        `times`: of the batch; `at`: where among what is kept of an event of a class this view's values are.
        """
        stages = self.stages
        for place, kind, kept, occurred_us in items:
            source = stages.get(kind)
            if source is None:
                continue
            user_id, *values = kept[at[kind]]
            if user_id is None:
                continue
            user = self._thawed(xxhash.xxh3_64_intdigest(user_id.encode()))
            if source.exposes:
                self._expose(user, values, occurred_us, times, place)
            elif any(values):
                insort(user.events, (occurred_us, *values))

    def changes(self, watermark_us: int) -> Iterator[tuple[bytes, bytes | None]]:
        """Forget what is due, then the feed records that changed."""
        for name in [name for name, life in self._lives.items() if self._is_over(life, watermark_us)]:
            del self._lives[name]
            self._changed.add(name)
        self._thaw_some(watermark_us)
        for user_id, (user, before) in self._hot.items():
            self._settle(user, watermark_us)
            self._move(before, self._parts(user))
            key = self._users + b"%016x" % user_id
            if user.events or user.exposed:
                value = encode_user(user)
                if value != self._states.get(user_id):
                    self._states[user_id] = value
                    yield key, value
            elif self._states.pop(user_id, None) is not None:
                yield key, None
        self._hot.clear()
        for name in self._changed:
            yield self._sums + name.encode(), self._packed(name)
        self._changed.clear()

    def records(self, topic: str | None = None) -> Iterator[tuple[bytes, bytes]]:
        """All users and sums, as feed records, of this source topic or of another one."""
        users, sums = self._users, self._sums
        if topic is not None:
            users, sums = of_topic(users, topic), of_topic(sums, topic)
        for user_id, value in self._states.items():
            yield users + b"%016x" % user_id, value
        for name in self._lives:
            packed = self._packed(name)
            assert packed is not None
            yield sums + name.encode(), packed

    def restore(self, records: Mapping[bytes, bytes | None]) -> Mapping[bytes, bytes | None]:
        """Take this view's records of the feed and return the others; None deletes, the last word counts."""
        mine = self._users, self._sums
        if not any(key.startswith(mine) for key in records):
            return records
        left: dict[bytes, bytes | None] = {}
        for key, value in records.items():
            if key.startswith(self._users):
                user_id = int(key[len(self._users) :], 16)
                if value is None:
                    self._states.pop(user_id, None)
                else:
                    self._states[user_id] = value
            elif key.startswith(self._sums):
                name = key[len(self._sums) :].decode()
                if value is None:
                    self._lives.pop(name, None)
                else:
                    self._lives[name] = _Life(*decode_experiment(value))
            else:
                left[key] = value
        return left

    def _thawed(self, user_id: int) -> UserState:
        """A user's state, to be changed until the next checkpoint."""
        hot = self._hot.get(user_id)
        if hot is None:
            packed = self._states.get(user_id)
            user = UserState([], []) if packed is None else decode_user(packed)
            hot = self._hot[user_id] = user, self._parts(user)
        return hot[0]

    def _expose(self, user: UserState, values: list[Any], occurred_us: int, times: Times, place: int) -> None:
        experiment, variant, covariate = values
        if self.is_full and experiment not in self._lives:
            experiment = variant = OTHER
            self.summed += 1
        life = self._lives.get(experiment)
        if life is None or (
            self._is_over(life, times.watermark) and self._is_over(life, times.watermark_at(place))
        ):
            since_us = times.watermark_at(place) - self._kept_us
            life = self._lives[experiment] = _Life(since_us, occurred_us, {})
        life.newest_us = max(life.newest_us, occurred_us)
        self._changed.add(experiment)
        new = Exposed(experiment, variant, occurred_us, covariate)
        old = next((one for one in user.exposed if one.experiment == experiment), None)
        if old is None:
            user.exposed.append(new)
        elif old.first_us < life.since_us:
            user.exposed[user.exposed.index(old)] = new
        else:
            new.crossed = old.crossed = old.crossed or variant != old.variant
            if new.place < old.place:
                old.variant, old.first_us, old.covariate = variant, occurred_us, covariate

    def _is_over(self, life: _Life, watermark_us: int) -> bool:
        return life.newest_us < watermark_us - 2 * self._kept_us

    def _lasting(self, user: UserState) -> list[Exposed]:
        """The exposures to experiments that last."""
        lives = self._lives
        return [
            one
            for one in user.exposed
            if (life := lives.get(one.experiment)) is not None and one.first_us >= life.since_us
        ]

    def _settle(self, user: UserState, watermark_us: int) -> None:
        """Drop what has no effect any more. Events before which no exposure can come in are counted, once for
        all, where they count."""
        user.exposed = self._lasting(user)
        events, until_us = user.events, watermark_us - self._kept_us
        settled = max(0, len(events) - MOST_EVENTS)
        while settled < len(events) and events[settled][0] < until_us:
            settled += 1
        for occurred_us, y, *z in events[:settled]:
            for one in user.exposed:
                if one.first_us <= occurred_us:
                    one.y += y
                    one.z += z[0] if z else 0
        del events[:settled]

    def _parts(self, user: UserState) -> _Parts:
        """What a user adds to each experiment."""
        return [
            (one.experiment, self._lives[one.experiment], one.variant, self._part(user, one))
            for one in self._lasting(user)
        ]

    def _part(self, user: UserState, one: Exposed) -> User:
        counted = [event for event in user.events if event[0] >= one.first_us]
        y = one.y + sum(event[1] for event in counted)
        z = one.z + sum(event[2] for event in counted) if self._divides else 1
        return User(one.covariate, y, z, one.crossed)

    def _move(self, before: _Parts, after: _Parts) -> None:
        """Take what a user added out of the sums, and in what it adds now."""
        if before == after:
            return
        for sign, parts in ((-1, before), (1, after)):
            for experiment, life, variant, part in parts:
                if self._lives.get(experiment) is life:
                    life.variants.setdefault(variant, Moments()).add(part, sign)
                    self._changed.add(experiment)

    def _packed(self, name: str) -> bytes | None:
        life = self._lives.get(name)
        if life is None:
            return None
        life.variants = {variant: sums for variant, sums in life.variants.items() if sums.users}
        return encode_experiment(life.since_us, life.newest_us, life.variants)

    def _thaw_some(self, watermark_us: int) -> None:
        """Go through all users once an hour of the watermark, some at each checkpoint."""
        for swept, user_id in enumerate(self._sweep):
            if user_id in self._states:
                self._thawed(user_id)
            if swept == SWEPT_USERS:
                return
        hour = watermark_us // HOUR_US
        if self._swept_hour is None or hour > self._swept_hour:
            self._swept_hour = hour
            self._sweep = iter(list(self._states))


def _compile(view: Experiment, event_types: EventTypes) -> dict[type[Any], _Source]:
    exposure, metric = view.exposure, view.metric
    values = tuple_of([f"payload.{name}" for name in exposure.fields])
    sources = {event_types[exposure.event]: _Source(values, exposes=True)}
    for event in dict.fromkeys(term.event for term in metric.terms):
        added = [_added(event, metric.of), *([_added(event, metric.per)] if metric.per else [])]
        kept = tuple_of([f"payload.{exposure.user}", *added])
        sources[event_types[event]] = _Source(kept, exposes=False)
    return sources


def _added(event: str, terms: Iterable[Term]) -> str:
    """What an event adds to a sum, as an expression."""
    added = ["0"]
    for term in terms:
        if term.event == event:
            value = "1" if term.field is None else f"payload.{term.field}"
            where = " and ".join(f"{field(name)} == {wanted!r}" for name, wanted in term.where)
            added.append(f"({value} if {where} else 0)" if where else value)
    return added[-1] if len(added) == 2 else " + ".join(added)
