"""Events, views and gates of one's own, from packages beside the project: what the catalogue takes in besides
the project's own declarations.

They are added once, before the catalogue is built; `streams.extensions.loading` does it at the start of each
process. Every command imports this, so it imports nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class ExtensionError(ValueError):
    """An extension cannot be used: one line that names the package, the declaration and what to do."""


class Extension(NamedTuple):
    """What a package declares: `EventSpec`s, views and gates (`tables.spec`), and by events' names `Adapter`s
    for those that others declare. `version`: of its distribution, or empty."""

    package: str
    version: str
    events: tuple[Any, ...]
    views: tuple[Any, ...]
    adapters: Mapping[str, tuple[Any, ...]] = MappingProxyType({})
    gates: tuple[Any, ...] = ()


_added: list[Extension] = []
_taken: list[bool] = []


def add(extensions: Iterable[Extension]) -> None:
    """Add them to what the catalogue and the views are built from.

    Raises `RuntimeError` once these have been built: decoders and folds are made of them.
    """
    if _taken:
        raise RuntimeError("the catalogue is in use already: load extensions before anything that needs it")
    _added.extend(extensions)


def extensions() -> tuple[Extension, ...]:
    """Those that were added, in the order in which they were named; from now on there can be no others."""
    _taken.append(True)
    return tuple(_added)


def in_use() -> bool:
    """Whether the catalogue has been built."""
    return bool(_taken)
