"""How many groups a windowed view may have on one source partition: what comes beyond is summed as `_other`.

A group that is known stays so while some pane has it. Nothing is dropped, and no city nor currency is mixed
with another while there is room: first the other dimensions become `_other`, then the city too. Which groups
came first depends on their order, the totals do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tables.codec import Group
from tables.spec.fields import CITY, OTHER
from tables.spec.windowed import Windowed

CURRENCY = "currency"
"""The one dimension that never becomes `_other`: amounts of different currencies are never added."""
OTHERS = 1_000
"""So many groups that have `_other` besides those that a view may have, before cities become it too."""


class GroupLimit:
    """The groups of a view. `most`: how many it may have; `kept`: all that its panes have, and `period`: when
    these were last fewer, so that they are asked for no more often.

    `summed`: events that went to `_other` since whoever counts them has set it to 0; `is_full`: whether a new
    group would now.
    """

    def __init__(
        self, view: Windowed, most: int, kept: Callable[[], Iterator[Group]], period: Callable[[], int]
    ) -> None:
        self.summed = 0
        self.is_full = False
        self._most = most
        self._kept = kept
        self._period = period
        self._counted_in: int | None = None
        self._known: set[Group] = set()
        self._unseen = 0
        self._steps = _steps(view.key)

    def __len__(self) -> int:
        """How many groups there are at most: those of a former run may be counted twice until the limit is
        reached."""
        return len(self._known) + self._unseen

    def restored(self, count: int) -> None:
        """The panes have been restored, with so many groups."""
        self._unseen = count

    def keep(self, groups: Iterable[Group]) -> None:
        """Groups that panes have already."""
        self._known.update(groups)

    def admit(self, group: Group, events: int) -> Group:
        """The group that is to be added to instead: itself, or one with `_other`."""
        if group in self._known:
            return group
        if len(self) >= self._most and self._counted_in != self._period():
            self._counted_in = self._period()
            self._known, self._unseen = set(self._kept()), 0
            self.is_full = len(self) >= self._most
            if group in self._known:
                return group
        if len(self) < self._most:
            self._known.add(group)
            return group
        self.is_full = True
        self.summed += events
        for step, places in enumerate(self._steps, 1):
            group = tuple(OTHER if at in places else value for at, value in enumerate(group))
            if group in self._known or step == len(self._steps) or len(self) < self._most + OTHERS:
                self._known.add(group)
                break
        return group


def _steps(key: tuple[str, ...]) -> list[set[int]]:
    """The places of a group that become `_other`, one set after the other."""
    named = {at for at, name in enumerate(key) if name not in (CITY, CURRENCY)}
    return [places for places in (named, {at for at, name in enumerate(key) if name == CITY}) if places]
