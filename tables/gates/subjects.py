"""Of which gate an alarm is, by its subject."""

from __future__ import annotations

from collections.abc import Mapping

from tables.gates.records import key_of_subject, split_key
from tables.scope import Scope, sees
from tables.spec.fields import CITY
from tables.spec.gate import Gate


def may_see(subject: str, gates: Mapping[str, Gate], scope: Scope) -> bool:
    """Whether who may see these cities may see the alarms of this subject: those of the gates of one's
    cities; all others are for who may see everything."""
    if scope is None:
        return True
    if "/" not in subject:
        return False
    found = split_key(key_of_subject(subject))
    gate = gates.get(found[0]) if found else None
    if found is None or gate is None or not gate.has_city or len(found[1]) != len(gate.key):
        return False
    return sees(scope, found[1][gate.key.index(CITY)])
