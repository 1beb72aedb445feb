"""Row-level security: who may see some cities is answered as if there were no events of others.

One feed has all events, the other those of the permitted cities alone, with the same watermarks. Whatever is
asked of the first one with the scope is what the second one answers to who may see all, errors included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.times import format_time
from schemas.validation.decoded import Decoded
from schemas.validation.fast_path import EVENT_TYPES
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.query.entities import answer_entities
from tables.query.params import ParameterError, parse_entity_query, parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.scope import Scope
from tables.spec.experiment import Experiment
from tables.spec.fields import payload_fields
from tables.spec.view import View
from tables.views import VIEWS
from tests.oracle.tables import HOUR_US, LIVES, TOLD_BAD, Feed, Made, make, tells, write
from tests.support.decoded import decoded
from tests.support.examples import examples
from tests.support.feed_records import MICROS, TOPIC, situation
from tests.support.partition_strategy import START_US, VALUES

# Nothing closed is forgotten: when it is, all events of an entity decide.
LIMITS = Limits(pane_minutes=60, pane_hours=5, dedupe_seconds=3600, closed_hours=10**5)
PARTITIONS = 2
START_MS = START_US // 1000
HIDDEN, OTHER = "bonn", "_other"
CITIES = ["ulm", "ulm", "jena", HIDDEN, OTHER, None]
ASKED = ["ulm", "jena", "bonn", "ulmm", OTHER, "nowhere", ""]
assert TOLD_BAD[3] in CITIES

Views = dict[str, View]
Ask = Callable[[ReaderState, Scope], Any]
scopes = st.frozensets(st.sampled_from(["ulm", "jena", OTHER, "nowhere"]), max_size=3)
moments = st.integers(0, 7 * HOUR_US) | st.integers(0, 14).map(lambda half: half * HOUR_US // 2)
texts = moments.map(lambda since: format_time(START_US + since))
TRACKING = [name for name, view in VIEWS.items() if view.tracks]
some_views = st.tuples(st.sampled_from(TRACKING), st.frozensets(st.sampled_from([*VIEWS]), max_size=2)).map(
    lambda names: {name: VIEWS[name] for name in [*VIEWS] if name in {names[0], *names[1]}}
)
values = {**VALUES, **dict.fromkeys(["due_at", "accept_by", "respond_by"], texts)}


@st.composite
def events(draw: st.DrawFn, views: Views) -> list[tuple[int, Made]]:
    """Records that these views look at, with their partitions: of a few entities, whose cities change, or of
    anything; out of order."""
    lives = [life.events for name, life in LIVES.items() if name in views]
    names = draw(
        st.sampled_from([*lives, sorted({event for view in views.values() for event in view.events})])
    )
    found: list[tuple[int, Made]] = []
    for number in range(draw(st.integers(1, 24))):
        partition, name = draw(st.integers(0, PARTITIONS - 1)), draw(st.sampled_from(names))
        fields = payload_fields(EVENT_TYPES[name])
        payload = {field: draw(of) for field, of in values.items() if field in fields}
        at_us = START_US + draw(moments)
        made = make(
            name, f"e{number}", at_us, START_MS + 1000 * number, draw(st.sampled_from(CITIES)), **payload
        )
        if draw(st.integers(0, 7)) == 0:
            made = made._replace(event=None)
        found.append((partition, made))
        if found and draw(st.integers(0, 4)) == 0:
            found.append(draw(st.sampled_from(found)))
    return found


def permitted(made: Made, scope: frozenset[str]) -> bool:
    """Whether a record's city is one that may be seen; that of a bad one as far as it tells."""
    told = TOLD_BAD[3] if tells(made) else None
    city = told if made.event is None else made.event.city
    return city in scope and city != OTHER


class Side:
    """What a worker and a reader make of the records of one partition each; of those that are not `wanted`
    the time alone."""

    def __init__(self, views: Views, wanted: Callable[[Made], bool]) -> None:
        self.reader = ReaderState(views, LIMITS.pane_minutes, LIMITS.pane_hours)
        self._views = views.values()
        self._wanted = wanted
        self._states = [PartitionState(TOPIC, self._views, LIMITS) for _ in range(PARTITIONS)]
        self._feeds = [Feed() for _ in range(PARTITIONS)]

    def take(self, partition: int, batch: list[Made], *, restart: bool) -> None:
        """Fold a batch and make a checkpoint."""
        state = self._states[partition]
        told = [made for made in batch if made.event is not None or self._wanted(made)]
        stamps = [made.kafka_ms for made in told]
        following = state.next_offset + len(batch)
        state.fold(
            self._shown(decoded(state, told), told), stamps,
            first_offset=state.next_offset, next_offset=following, now_ms=START_MS + 10**6,
        )  # fmt: skip
        state.next_offset = following
        records = state.changes(0)
        write(self._feeds[partition], records)
        self.reader.apply(partition, [(key, value, 0) for key, value in records], monotonic=0.0)
        if restart:
            state = self._states[partition] = PartitionState(TOPIC, self._views, LIMITS)
            state.restore(self._feeds[partition])
            state.restored()

    def _shown(self, batch: Decoded, made: list[Made]) -> Decoded:
        kinds = [kind if self._wanted(one) else None for kind, one in zip(batch.kinds, made, strict=True)]
        return batch._replace(kinds=kinds)


def filters(draw: st.DrawFn, view: View) -> Iterator[tuple[str, str]]:
    for name in view.dimensions:
        if draw(st.integers(0, 3)) == 0:
            known = ["EUR", "EUT", "p", "π", "email", "test", "watch"]
            yield name, draw(st.sampled_from(ASKED if name == "city" else known))


@st.composite
def view_questions(draw: st.DrawFn, views: Views) -> Ask:
    """Anything that can be asked of a view, experiments apart: who may not see all sees none."""
    view = draw(st.sampled_from([view for view in views.values() if not isinstance(view, Experiment)]))
    params = [*filters(draw, view), ("as_of", draw(texts | st.just("watermark")))]
    if draw(st.booleans()):
        needed = {"currency"} if view.has_money else set()
        kept = [name for name in view.dimensions if name in needed or draw(st.booleans())]
        params.append(("group_by", ",".join(kept)))
    if draw(st.booleans()):
        params.append(("window", draw(st.sampled_from(["90m", "3h", "2d"]))))
    else:
        params.append(("from", draw(texts)))
    if view.kind == "windowed" and draw(st.booleans()):
        params.append(("step", draw(st.sampled_from(["7m", "1h", "2h", "1d"]))))
        if draw(st.booleans()):
            params.append(("tz", draw(st.sampled_from(["Europe/Lisbon", "Asia/Kolkata", "Asia/Kathmandu"]))))
    now = situation(START_US / MICROS, partitions=PARTITIONS)

    def ask(reader: ReaderState, scope: Scope) -> Any:
        return answer_view(reader, view, parse_view_query(view, params), now, scope)

    return ask


@st.composite
def entity_questions(draw: st.DrawFn, views: Views) -> Ask:
    """All pages of a view's entities."""
    view, tracks = draw(st.sampled_from([(one, one.tracks) for one in views.values() if one.tracks]))
    params = [*filters(draw, view), ("limit", str(draw(st.integers(1, 3)))), ("as_of", draw(texts))]
    if draw(st.booleans()):
        params.append(("state", draw(st.sampled_from(list(tracks.by_state)))))
    now = situation(START_US / MICROS, partitions=PARTITIONS)

    def ask(reader: ReaderState, scope: Scope) -> Any:
        pages: list[Any] = []
        while not pages or pages[-1]["cursor"] is not None:
            cursor = [("cursor", page["cursor"]) for page in pages[-1:]]
            query = parse_entity_query(view, [*params, *cursor])
            pages.append(answer_entities(reader, view, query, now, scope))
        return pages

    return ask


def told(ask: Ask, reader: ReaderState, scope: Scope) -> Any:
    """The answer, or the error."""
    try:
        return ask(reader, scope)
    except ParameterError as error:
        return error.parameter, str(error)


@examples(100, chaos=4_000)  # each folds several partitions twice
@given(some_views, scopes, st.data())
def test_a_scope_sees_what_its_cities_events_alone_make(
    views: Views, scope: frozenset[str], data: st.DataObject
) -> None:
    made, questions = data.draw(events(views)), view_questions(views) | entity_questions(views)
    whole, alone = Side(views, lambda _: True), Side(views, lambda one: permitted(one, scope))
    while made:
        partition = made[0][0]
        size = data.draw(st.integers(1, 8))
        batch = [one for at, one in made[:size] if at == partition]
        made = [one for one in made[:size] if one[0] != partition] + made[size:]
        restart = data.draw(st.integers(0, 3)) == 0
        for side in (whole, alone):
            side.take(partition, batch, restart=restart)
        for ask in data.draw(st.lists(questions, max_size=3)):
            assert told(ask, whole.reader, scope) == told(ask, alone.reader, None)
    for ask in data.draw(st.lists(questions, min_size=4, max_size=8)):
        assert told(ask, whole.reader, scope) == told(ask, alone.reader, None)
