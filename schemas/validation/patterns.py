"""Matching of texts that repeat, such as cities and currencies."""

from __future__ import annotations

import re
from functools import cache

MAX_GOOD = 4096
"""How many texts of one pattern are remembered as good."""


class KnownTexts:
    """The texts seen to match a pattern as a whole. `good` also holds None, for fields that may be null."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        self.good: set[str | None] = {None}

    def matches(self, text: str | None) -> bool:
        """True if the text matches; it is then remembered, while there is room."""
        if text in self.good:
            return True
        if text is None or not self._pattern.fullmatch(text):
            return False
        if len(self.good) < MAX_GOOD:
            self.good.add(text)
        return True


known_texts = cache(KnownTexts)
"""The texts known to match a pattern, shared by all fields that have it."""
