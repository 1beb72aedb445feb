"""What former Bronzes have of a source partition, in one line of offsets with what there is now.

When Kafka was lost, its topics are made anew and their offsets begin at 0 again. Bronze then goes on in
another place, and what lies in the former ones (SLUICE_BRONZE_FORMER) comes before it: at offsets below 0, of
which the newest record's is -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import structs

from agents.bronze.files import Commit, CorruptFileError, commits_folder
from agents.bronze.store import Store
from streams.store.bronze_reader import BronzeReader


class Life(NamedTuple):
    """A Bronze that has a source partition, and what is added to the offsets that it had then."""

    store: Store
    shift: int

    def shifted(self, commit: Commit) -> Commit:
        """A range of it. A former topic's id and last record are no longer to be found in Kafka."""
        if not self.shift:
            return commit
        lost = None if commit.lost is None else (commit.lost[0] + self.shift, commit.lost[1] + self.shift)
        return structs.replace(
            commit,
            first=commit.first + self.shift,
            last=commit.last + self.shift,
            next=commit.next + self.shift,
            lost=lost,
            topic_id=None,
            last_record=None,
        )


async def former_lives(stores: Sequence[Store], topic: str, partition: int) -> list[Life]:
    """Those of these Bronzes, oldest first, that have ranges of the partition. Raises `StoreError`,
    `CorruptFileError`."""
    lives: list[Life] = []
    shift = 0
    for store in reversed(stores):
        newest = await newest_commit(store, topic, partition)
        if newest is not None:
            shift -= newest.next
            lives.append(Life(store, shift))
    return lives[::-1]


async def newest_commit(store: Store, topic: str, partition: int) -> Commit | None:
    """The last range of a partition; None: there is none. Raises `StoreError`, `CorruptFileError`."""
    path = max([listed.path async for listed in store.list(commits_folder(topic, partition))], default=None)
    if path is None:
        return None
    found = await BronzeReader(store).commit(path)
    if found is None:
        raise CorruptFileError(f"{path} was listed, but cannot be read: it is gone")
    return found.commit
