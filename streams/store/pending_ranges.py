"""Ranges of Bronze that have an intent and no commit: being written, left, or robbed of their commit."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from agents.bronze.files import INTENTS, CorruptFileError, commit_path, decode_intent, intent_path
from agents.bronze.store import Store, StoreError

LOOKS, LOOK_SECONDS = 10, 0.5
"""How often, and how far apart, one looks for the commit of a sealed intent. Its writer needs a moment."""

Source = tuple[str, int]
"""A topic and a partition."""

_INTENT = re.compile(rf"{INTENTS}([^/]+)/(\d{{1,9}})/(\d{{20}})\.json")


@dataclass
class PendingRanges:
    """Objects of `open` ranges, which a worker writes or takes over; objects of `sealed` ones, which are
    whole; commits that are `missing` behind sealed intents; files that are `wrong`, and why."""

    open: set[str] = field(default_factory=set)
    sealed: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    wrong: list[tuple[str, Exception]] = field(default_factory=list)


async def pending_ranges(
    store: Store, next_offsets: Mapping[Source, int], unreadable: Collection[str]
) -> PendingRanges:
    """What follows each partition's newest readable commit; `next_offsets` says where that is.

    `unreadable`: paths of commits that are there, and that somebody has reported. Raises `StoreError`.
    """
    firsts: dict[Source, int] = {}
    async for listed in store.list(INTENTS):
        if name := _INTENT.fullmatch(listed.path):  # whatever else lies there is nobody's intent
            source, first = (name[1], int(name[2])), int(name[3])
            firsts[source] = min(first, firsts.get(source, first))
    found = PendingRanges()
    await asyncio.gather(
        *(
            _follow(store, source, next_offsets.get(source, first), unreadable, found)
            for source, first in firsts.items()
        )
    )
    return found


async def _follow(
    store: Store, source: Source, first: int, unreadable: Collection[str], found: PendingRanges
) -> None:
    """Go from intent to intent as a worker would, up to one that is open or committed.

    A commit that cannot be read does not say where the next range begins; its sealed intent does.
    """
    looks = LOOKS
    while True:
        path = intent_path(*source, first)
        try:
            file = await store.get(path)
            if file is None:
                return
            intent = decode_intent(path, file.data)
            objects = {entry.path for entry in intent.objects}
            if not intent.sealed:
                found.open |= objects
                return
            found.sealed |= objects
            commit = commit_path(*source, first)
            if commit in unreadable:
                first = intent.next
                continue
            if await _is_there_soon(store, commit, looks):
                return
        except (CorruptFileError, StoreError) as error:
            found.wrong.append((path, error))
            return
        found.missing.append(commit)
        first, looks = intent.next, 0  # a writer has one range at its commit, not several


async def _is_there_soon(store: Store, path: str, looks: int) -> bool:
    for _ in range(looks):
        if await store.get(path) is not None:
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return await store.get(path) is not None
