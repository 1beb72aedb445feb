"""A definition that has been rebuilt is adopted by its source partition: what is written then, at once.

The rebuild's state is that of the source records below the partition's own checkpoint. So it becomes the
partition's, as if a worker had computed it all along.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from tables.codec import Checkpoint, encode_checkpoint
from tables.definitions import began, declaration_key, definition_of
from tables.fold.state import PartitionState
from tables.keys import checkpoint_key
from tables.spec.view import View
from tables.spec.written import encode_view

Record = tuple[bytes, bytes | None]


def adopted(
    view: View,
    state: PartitionState,
    checkpoint: Checkpoint,
    *,
    topic: str,
    there: Collection[bytes],
    at_ms: int,
) -> Iterator[Record]:
    """The records by which a partition has `view` as `state` has it, which is as far as its checkpoint; that
    comes last.

    Of a view with a former definition it goes beside that, otherwise in its own place. `there`: keys that the
    partition has of this definition so far.
    """
    assert state.next_offset == checkpoint.next
    records = state.records(topic)
    for key in there:
        if key not in records:
            yield key, None
    yield declaration_key(view, topic), encode_view(view)
    yield from records.items()
    mine = began(state.checkpoint(at_ms), view)
    assert mine is not None
    name, computed = view.name, (view.definition_hash, mine.offset)
    views, beside, partial = {**checkpoint.views}, {**checkpoint.beside}, {**checkpoint.partial_until}
    former = beside.pop(name, None)
    if former is not None:
        partial.pop(f"{name}@{former[0]}", None)
    of = name if views[name][0] == view.definition_hash else definition_of(view)
    (views if of == name else beside)[name] = computed
    partial.pop(of, None)
    if mine.partial_until_us is not None:
        partial[of] = mine.partial_until_us
    yield _checkpoint(topic, checkpoint, at_ms, views=views, beside=beside, partial_until=partial)


def switched(view: View, topic: str, checkpoint: Checkpoint, at_ms: int) -> Record:
    """The checkpoint that has `view` in place of its former definition; that one's records are deleted by the
    worker that recovers the partition next."""
    views, beside, partial = {**checkpoint.views}, {**checkpoint.beside}, {**checkpoint.partial_until}
    views[view.name] = beside.pop(view.name)
    partial.pop(view.name, None)
    until_us = partial.pop(definition_of(view), None)
    if until_us is not None:
        partial[view.name] = until_us
    return _checkpoint(topic, checkpoint, at_ms, views=views, beside=beside, partial_until=partial)


def _checkpoint(topic: str, checkpoint: Checkpoint, at_ms: int, **changes: object) -> Record:
    made = msgspec.structs.replace(checkpoint, at=at_ms, **changes)
    return checkpoint_key(topic), encode_checkpoint(made)
