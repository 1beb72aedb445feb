"""What a state keeps of each event, and who takes it: made once, from all that its views declare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.validation.decoded import Decoded
from schemas.validation.fast_path import Event
from tables.fold.entities import EntityStore
from tables.fold.experiments import ExperimentStore
from tables.fold.readers import Reader, field, reader_of
from tables.fold.times import Times
from tables.fold.windowed import Add, WindowedFold

Store = EntityStore | ExperimentStore


class Plan:
    """By an event's class: what is kept of it (`readers`), and what adds that to the windowed views
    (`add_of`).

    `tracked`: the classes that entity and experiment views look at. `stores`: each such view's, and where its
    values are among what is kept of a class's events.
    """

    def __init__(self, fold: WindowedFold, stores: Sequence[Store]) -> None:
        self.readers: dict[type[Event], Reader] = {}
        self.add_of: dict[type[Event] | None, Add] = {}
        self.tracked = {known for store in stores for known in store.stages}
        self.stores: list[tuple[Store, dict[type[Event], int]]] = [(store, {}) for store in stores]
        for known in {*fold.folds, *self.tracked}:
            self._add(known, fold)

    def join(self, kinds: Sequence[Any], batch: Decoded, times: Times) -> None:
        """Hand the stores the events of these kinds, in order."""
        tracked, kept = self.tracked, batch.kept
        places = [place for place, kind in enumerate(kinds) if kind in tracked] if tracked else []
        if places:
            occurred: list[int] = batch.times[places].tolist()
            items = [
                (place, kinds[place], kept[place], at_us)
                for place, at_us in zip(places, occurred, strict=True)
            ]
            for store, at in self.stores:
                store.fold(items, times, at)

    def _add(self, known: type[Event], fold: WindowedFold) -> None:
        """First comes what windowed views add up, then what each store has."""
        of_event = fold.folds.get(known)
        kept = [] if of_event is None else [field(name) for name in of_event.kept]
        if of_event is not None:
            self.add_of[known] = of_event.compiled(more=known in self.tracked)
        for store, at in self.stores:
            if known in store.stages:
                at[known] = len(kept)
                kept.append(store.stages[known].kept)
        self.readers[known] = reader_of(kept)
