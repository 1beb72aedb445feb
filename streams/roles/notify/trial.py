"""A message to a target that says that it is a test: an alarm that is raised, and cleared at once."""

from __future__ import annotations

import httpx

from agents.notify.announcer import Change, Notice
from schemas.times import format_time
from streams.clock import SYSTEM_CLOCK
from streams.errors import WARNING
from streams.roles.notify.delivery import TRY_SECONDS, post
from streams.roles.notify.targets import Target
from tables.gates.alarms import Alarm


async def post_trial(target: Target) -> str | None:
    """Why it was not taken; None: it was."""
    async with httpx.AsyncClient(timeout=TRY_SECONDS, follow_redirects=False) as client:
        for change, state in ((Change.RAISED, "raised"), (Change.CLEARED, "cleared")):
            now_us = SYSTEM_CLOCK.wall_us()
            alarm = Alarm(
                alarm_id="notify/test", code="TEST", severity=WARNING, subject="sluice notify --test",
                state="raised" if state == "raised" else "cleared", at=format_time(now_us),
                detail="This is a test of Sluice's alarms. There is nothing to do.",
            )  # fmt: skip
            _, why = await post(client, target, [Notice(change, alarm, None)], now_us)
            if why is not None:
                return why
    return None
