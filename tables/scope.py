"""What may be seen: row-level security, by city.

Whoever may see some cities alone sees what their events alone make, whatever others there are. So null, which
is no city, is seen by those who may see all, and so is `_other`, which stands for many.
"""

from __future__ import annotations

from tables.spec.fields import OTHER

Scope = frozenset[str] | None
"""The cities that may be seen; None: all of them, and null."""


def sees(scope: Scope, city: object) -> bool:
    """Whether what has this city may be seen; `city` as a group has it."""
    return scope is None or (city in scope and city != OTHER)
