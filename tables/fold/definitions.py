"""Which definitions of its views a source partition computes, and their declarations in the feed.

A definition that is in the checkpoint is computed on, also when this release declares the view otherwise: its
declaration is in the feed. Where that can't be read or computed, the view begins anew as it is declared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from tables.codec import Checkpoint, decode_entity, decode_partial
from tables.definitions import declaration_key, definition_name, definition_of
from tables.experiments.records import decode_experiment, decode_user
from tables.keys import (
    DeclarationKey,
    EntityKey,
    ExperimentKey,
    FeedFormatError,
    UserKey,
    WindowedKey,
)
from tables.spec.experiment import Experiment
from tables.spec.fields import EventTypes
from tables.spec.tracked import EntityState
from tables.spec.view import View
from tables.spec.windowed import Windowed
from tables.spec.written import decode_view, encode_view

Records = Mapping[bytes, bytes]
Definition = EntityKey | WindowedKey | UserKey | ExperimentKey
"""The key of a record of a definition's state."""


class Definitions:
    """Those of one source topic. `declared`: this release's, by name. `anew`: view → why its former
    definition is not computed on. `outdated`: the feed has not the declarations of what is computed, or more,
    though it has a checkpoint."""

    def __init__(self, topic: str, declared: Mapping[str, View], event_types: EventTypes) -> None:
        self.declared = declared
        self.anew: dict[str, str] = {}
        self._topic = topic
        self._event_types = event_types
        self._in_feed: dict[bytes, bytes] = {}
        self._held: defaultdict[str, dict[bytes, bytes]] = defaultdict(dict)
        self.outdated = False

    def restore(self, of: DeclarationKey | Definition, key: bytes, value: bytes | None) -> None:
        """Take a declaration, or a record of a definition that this release does not declare; None deletes
        it."""
        known = self._in_feed
        if not isinstance(of, DeclarationKey):
            known = self._held[definition_name(of.view, of.definition_hash)]
        if value is None:
            known.pop(key, None)
        else:  # of a view that is no more, only what there is to be deleted
            known[key] = value if of.view in self.declared else b""

    def settle(self, checkpoint: Checkpoint) -> dict[str, View]:
        """What is computed from this checkpoint on, once all has been restored: a view's definition by its
        name, one beside it by `{view}@{hash}`."""
        found: dict[str, View] = {}
        for name, declared in self.declared.items():
            there = [known[name][0] for known in (checkpoint.views, checkpoint.beside) if name in known]
            usable = [view for one in dict.fromkeys(there) if (view := self._usable(name, one)) is not None]
            found[name] = usable[0] if usable else declared
            found |= {definition_of(view): view for view in usable[1:]}
        wanted = {declaration_key(view, self._topic) for view in found.values()}
        self.outdated = wanted != self._in_feed.keys()
        return found

    def held(self, view: View) -> Records:
        """The records of a definition that is computed, once."""
        return self._held.pop(definition_of(view), {})

    def left(self) -> set[bytes]:
        """The keys of what no computed definition has taken: it is to be deleted."""
        keys = {key for records in self._held.values() for key in records}
        self._held.clear()
        return keys

    def changes(self, computed: Iterable[View]) -> Iterator[tuple[bytes, bytes | None]]:
        """The declarations that are not in the feed as they are, and those of what is not computed."""
        wanted = {declaration_key(view, self._topic): encode_view(view) for view in computed}
        for key, value in wanted.items():
            if self._in_feed.get(key) != value:
                yield key, value
        for key in self._in_feed.keys() - wanted.keys():
            yield key, None
        self._in_feed, self.outdated = wanted, False

    def _usable(self, name: str, definition_hash: str) -> View | None:
        declared = self.declared[name]
        if definition_hash == declared.definition_hash:
            return declared
        definition = definition_name(name, definition_hash)
        value = self._in_feed.get(f"v:{definition}:{self._topic}".encode())
        if value is None:
            self.anew[name] = "its declaration is not in the feed"
            return None
        try:
            view = decode_view(value, self._event_types)
            _check(view, definition, self._held[definition])
        except ValueError as error:
            self.anew[name] = f"of its declaration: {error}"
            return None
        return view


def _check(view: View, definition: str, records: Records) -> None:
    """Raises `ValueError` where the view is not that definition, or a record is not one of it."""
    if definition_of(view) != definition:
        raise ValueError("it is another one's")
    has = {
        b"e": view.tracks is not None,
        b"w": isinstance(view, Windowed),
        b"u": isinstance(view, Experiment),
        b"x": isinstance(view, Experiment),
    }
    width = len(view.kept) if isinstance(view, Windowed) else 0
    for key, value in records.items():
        kind = key[:1]
        if not has[kind]:
            raise FeedFormatError("it has records of another kind of view")
        if kind == b"e":
            decode_entity(value, view.tracks.state if view.tracks else EntityState)
        elif kind == b"u":
            decode_user(value)
        elif kind == b"x":
            decode_experiment(value)
        elif any(len(row) != width for _, row in decode_partial(value)):
            raise FeedFormatError("a record of its panes is damaged")
