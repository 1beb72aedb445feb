"""The definitions that a feed has state of, and which of a view's answers.

A view whose declaration has changed is answered by its former definition until the checkpoints of all source
partitions have the new one: from that checkpoint on, that one answers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from schemas.validation.fast_path import EVENT_TYPES
from tables.codec import Checkpoint, decode_partial
from tables.definitions import definition_of, hashes
from tables.keys import FeedFormatError, WindowedKey, parse_key
from tables.read.entity_columns import EntityColumns
from tables.read.experiment_sums import ExperimentSums
from tables.read.pane_sums import PaneSums
from tables.spec.experiment import Experiment
from tables.spec.view import View
from tables.spec.windowed import Windowed
from tables.spec.written import decode_view

Named = Mapping[bytes, bytes | None]
"""Id of an entity, or an experiment's name → value."""
Panes = Mapping[bytes, bytes | None]
"""Key → value of windowed records."""


class ViewState:
    """The state of a view by one definition. `version` grows with every change of it."""

    def __init__(self, view: View, kept_us: int) -> None:
        self.view = view
        self.version = 0
        self.panes: PaneSums | None = None
        if isinstance(view, Windowed):
            self.panes = PaneSums(len(view.sums), [sketch.kind.combine for sketch in view.sketches])
        self.entities = None if view.tracks is None else EntityColumns(view.tracks, view.key)
        self.experiments = ExperimentSums(kept_us) if isinstance(view, Experiment) else None


class Definitions:
    """Those of one feed. `declared`: this release's views, by name; `serving`: what answers, by name.
    `news`: a definition has become known that may be the one to answer: `choose` is to be called.
    `newest_hour`: the newest epoch hour that minutes were rolled into, in any view.
    """

    def __init__(self, declared: Mapping[str, View], kept_us: int) -> None:
        self.declared = declared
        self._kept_us = kept_us
        self.news = False
        self.newest_hour: int | None = None
        self.serving = {name: ViewState(view, kept_us) for name, view in declared.items()}
        self._states = {definition_of(state.view).encode(): state for state in self.serving.values()}
        self._held: defaultdict[bytes, dict[tuple[int, bytes], bytes | None]] = defaultdict(dict)

    def declare(self, definition: bytes, value: bytes | None) -> None:
        """A definition's declaration, if it is of a declared view; one that can't be computed answers
        nothing."""
        name = definition.decode().partition("@")[0]
        if value is None or definition in self._states or name not in self.declared:
            return
        try:
            view = decode_view(value, EVENT_TYPES)
        except ValueError:
            return
        if definition_of(view).encode() != definition:
            return
        self._states[definition] = ViewState(view, self._kept_us)
        self.news = True
        try:
            for (source, key), record in self._held.pop(definition, {}).items():
                if key[:1] == b"e":
                    self.put_named(definition, source, {key.split(b":", 3)[3]: record}, key)
                else:
                    self.put_pane(definition, source, key, record)
        except FeedFormatError:  # its worker begins the view anew, too
            del self._states[definition]

    def put_pane(self, definition: bytes, source: int, key: bytes, value: bytes | None) -> str | None:
        """Take a windowed record; answers the name of the view that answers otherwise now, if one does.

        Raises `FeedFormatError` for one of another release's definition that is damaged.
        """
        state = self._states.get(definition)
        if state is None or state.panes is None:
            self._hold(definition, source, {key: value})
            return None
        self._check(state, () if value is None else (value,))
        parsed = parse_key(key)
        assert isinstance(parsed, WindowedKey)
        if parsed.unit == "h" and (self.newest_hour is None or self.newest_hour < parsed.number):
            self.newest_hour = parsed.number
        state.panes.put(parsed.unit, parsed.number, source, parsed.shard, value)
        return self._changed(state)

    def put_named(self, definition: bytes, source: int, named: Named, prefix: bytes) -> str | None:
        """The same for entities or experiments, whosever; `prefix`: what their names are put behind to make
        keys."""
        state = self._states.get(definition)
        records = ((name.decode(), value) for name, value in named.items())
        if state is not None and state.entities is not None:
            state.entities.put_many(source, records)
        elif state is not None and state.experiments is not None:
            state.experiments.put_many(source, records)
        else:
            self._hold(definition, source, {prefix + name: value for name, value in named.items()})
            return None
        return self._changed(state)

    def choose(self, checkpoints: Iterable[Checkpoint], first: Checkpoint | None = None) -> set[str]:
        """Have those definitions answer that all partitions have; answers the names of views that changed.

        `first`: the checkpoint that has come, where it is the first one of its partition.
        """
        if not self.news and first is not None and not first.beside and self._agrees(first):
            return set()  # more partitions for what answers anyhow
        self.news = False
        checkpoints, changed = list(checkpoints), set()
        for name, former in list(self.serving.items()):
            chosen = self._chosen(name, checkpoints)
            if chosen is not former:
                self.serving[name] = chosen
                changed.add(name)
        return changed

    def _agrees(self, checkpoint: Checkpoint) -> bool:
        return all(
            checkpoint.views[name][0] == state.view.definition_hash
            for name, state in self.serving.items()
            if name in checkpoint.views
        )

    def _chosen(self, name: str, checkpoints: list[Checkpoint]) -> ViewState:
        known = {one.view.definition_hash: one for one in self._states.values() if one.view.name == name}
        had = [one for checkpoint in checkpoints for one in hashes(checkpoint, name) if one in known]
        following = {checkpoint.beside[name][0] for checkpoint in checkpoints if name in checkpoint.beside}
        declared = self.declared[name].definition_hash
        counts = Counter(had)
        return known[
            max(
                counts,
                key=lambda one: (counts[one], one in following, one == declared, one),
                default=declared,
            )
        ]

    def former(self, name: str) -> str | None:
        """What to say and do where a former definition of a view answers; None: this release's does."""
        if self.serving[name] is self._declared_state(name):
            return None
        return f"a former definition of {name} answers: `sluice views rebuild {name}` fills in the new one"

    def _declared_state(self, name: str) -> ViewState | None:
        return self._states.get(definition_of(self.declared[name]).encode())

    def _check(self, state: ViewState, values: Iterable[bytes]) -> None:
        """What this release declares has been checked when it was read."""
        view = state.view
        if state is self._declared_state(view.name):
            return
        assert isinstance(view, Windowed)
        for value in values:
            if any(len(row) != len(view.kept) for _, row in decode_partial(value)):
                raise FeedFormatError(f"a windowed record of {definition_of(view)} is damaged")

    def _changed(self, state: ViewState) -> str | None:
        state.version += 1
        name = state.view.name
        return name if self.serving[name] is state else None

    def _hold(self, definition: bytes, source: int, records: Mapping[bytes, bytes | None]) -> None:
        """Keep what comes before its declaration; of views that this release does not have, nothing."""
        if definition.partition(b"@")[0].decode() not in self.declared or definition in self._states:
            return
        held = self._held[definition]
        for key, value in records.items():
            if value is None:
                held.pop((source, key), None)
            else:
                held[source, key] = value
        if not held:
            del self._held[definition]
