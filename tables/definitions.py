"""The definitions of a view that a feed may have side by side, and the names of what belongs to them.

While a view's declaration has changed and its past is not filled in yet, its former definition answers. A
rebuild keeps what it has of the new one under an alias of the source topic, which no reader and no worker
looks at; once it has everything, it is in the partition's checkpoint, `beside` the former one.
"""

from __future__ import annotations

from typing import NamedTuple

from tables.codec import Checkpoint
from tables.spec.view import View

ALIAS = "~"
"""Parts a topic from the definition that is rebuilt from it; no topic's name has one."""


class Began(NamedTuple):
    """Since when a definition is computed: the source offset, and the time before which events may be
    missing from it (µs; None: no event is)."""

    offset: int
    partial_until_us: int | None


def definition_name(view: str, definition_hash: str) -> str:
    """`{view}@{hash}`: what a definition is called in keys."""
    return f"{view}@{definition_hash}"


def definition_of(view: View) -> str:
    """The same, of a declaration."""
    return definition_name(view.name, view.definition_hash)


def declaration_key(view: View, topic: str) -> bytes:
    """The key of the record that has a declaration."""
    return f"v:{definition_of(view)}:{topic}".encode()


def alias_of(topic: str, view: View) -> str:
    """The topic under which a rebuild keeps what it has of a view so far."""
    return f"{topic}{ALIAS}{definition_of(view)}"


def began(checkpoint: Checkpoint, view: View) -> Began | None:
    """Since when a source partition has a view by this definition; None: it has not."""
    name = view.name
    for known, key in ((checkpoint.views, name), (checkpoint.beside, definition_of(view))):
        found = known.get(name)
        if found is not None and found[0] == view.definition_hash:
            return Began(found[1], checkpoint.partial_until.get(key))
    return None


def hashes(checkpoint: Checkpoint, view: str) -> set[str]:
    """The definitions by which a source partition has a view."""
    return {known[view][0] for known in (checkpoint.views, checkpoint.beside) if view in known}
