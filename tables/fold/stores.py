"""The stores of the definitions that a source partition computes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tables.fold.entities import EntityStore
from tables.fold.experiments import ExperimentStore
from tables.fold.group_limit import GroupLimit
from tables.fold.panes import PaneStore
from tables.fold.plan import Store
from tables.keys import (
    WindowedKey,
    entity_prefix,
    parse_key,
    windowed_prefix,
)
from tables.spec.experiment import Experiment
from tables.spec.fields import EventTypes
from tables.spec.view import View
from tables.spec.windowed import Windowed

Panes = dict[Windowed, PaneStore]
Stores = dict[View, Store]
"""Entities, and users of experiments."""


def pane_stores(topic: str, views: Iterable[View], former: Panes, most_groups: int) -> Panes:
    """The panes of the windowed views among these: those there are, and new ones."""
    found: Panes = {}
    for view in views:
        if isinstance(view, Windowed):
            store = former.get(view)
            prefix = windowed_prefix(view.name, view.definition_hash, topic)
            found[view] = PaneStore(prefix, view, most_groups) if store is None else store
    return found


def named(views: Mapping[str, View], panes: Panes) -> dict[str, PaneStore]:
    """The panes by the views' names in the checkpoint."""
    return {name: panes[view] for name, view in views.items() if isinstance(view, Windowed)}


def group_limits(
    views: Mapping[str, View], panes: Panes, stores: Stores
) -> dict[str, GroupLimit | ExperimentStore]:
    """What bounds the groups of windowed views, and experiments, by the views' names in the checkpoint."""
    limits: dict[str, GroupLimit | ExperimentStore] = {
        name: store.limit for name, store in named(views, panes).items()
    }
    for name, view in views.items():
        store = stores.get(view)
        if isinstance(store, ExperimentStore):
            limits[name] = store
    return limits


def other_stores(
    topic: str,
    views: Iterable[View],
    former: Stores,
    event_types: EventTypes,
    *,
    closed_us: int,
    kept_us: int,
    most: int,
) -> Stores:
    """The entities of the views that track some, and the users of experiments: those there are, and new ones.

    `closed_us`: how long a closed entity is kept; `kept_us`: how far behind the watermark events are folded;
    `most`: how many experiments a view may have.
    """
    found: Stores = {}
    for view in views:
        if view in former:
            found[view] = former[view]
        elif view.tracks is not None:
            prefix = entity_prefix(view.name, view.definition_hash, topic)
            found[view] = EntityStore(prefix, view.tracks, event_types, closed_us)
        elif isinstance(view, Experiment):
            found[view] = ExperimentStore(view, topic, event_types, kept_us, most)
    return found


def restore(view: View, records: Mapping[bytes, bytes | None], panes: Panes, stores: Stores) -> None:
    """Put a definition's feed records into its stores."""
    if view in stores:
        records = stores[view].restore(records)
    for key, value in records.items():
        parsed = parse_key(key)
        assert isinstance(parsed, WindowedKey)
        assert isinstance(view, Windowed)
        panes[view].restore(parsed.unit, parsed.number, parsed.shard, value)


def all_records(topic: str, panes: Panes, stores: Stores) -> dict[bytes, bytes]:
    """All that is in the stores, as the feed has it of a source topic."""
    found: dict[bytes, bytes] = {}
    for store in (*panes.values(), *stores.values()):
        found.update(store.records(topic))
    return found


def sizes(panes: Iterable[PaneStore], stores: Iterable[Store]) -> dict[str, int]:
    """How much they hold, for metrics."""
    held = [store.sizes() for store in panes]
    found = {"panes": sum(count for count, _ in held), "groups": sum(groups for _, groups in held)}
    of = {"entities": EntityStore, "users": ExperimentStore}
    stores = list(stores)
    return found | {
        name: sum(len(store) for store in stores if isinstance(store, kind)) for name, kind in of.items()
    }
