"""How many examples a property is tried with, and which: Hypothesis' profiles.

`suite` (`make test`): always the same examples, so that a change fails by what it does and not by the draw.
`chaos` (`make chaos`, or `--hypothesis-profile=chaos`): many more, drawn anew; `--hypothesis-seed` repeats a
draw. What it finds becomes an `@example` of the property.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

CHAOS_EXAMPLES = 20_000

# How long something takes says nothing: the machine may be busy with other things.
_TIMELESS = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", _TIMELESS, derandomize=True)
settings.register_profile("chaos", _TIMELESS, max_examples=CHAOS_EXAMPLES, derandomize=False, print_blob=True)
settings.load_profile("suite")  # a profile of the command line is loaded later, and before the tests


def examples(suite: int, *, chaos: int = CHAOS_EXAMPLES) -> settings:
    """So many examples of a property, by profile. `max_examples` of its own would defeat the profile.

    `chaos` is less for a property of which so many would take an hour.
    """
    return settings(max_examples=chaos if settings.get_current_profile_name() == "chaos" else suite)
