"""One audit: the answers of all views are taken, and proved one after the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from agents.bronze.files import CorruptFileError
from agents.bronze.store import StoreError
from streams import metrics
from streams.client import ApiError
from streams.roles.audit.alarms import AuditAlarms
from streams.settings import Settings
from streams.verify.proof import State, Verdict
from streams.verify.run import Taken, Verifier
from tables.spec.view import View

log = logging.getLogger(__name__)

T = TypeVar("T")

FAILED = "failed"
OUTCOMES = (*(state.value for state in State), FAILED)


class Auditor:
    """Audits these views."""

    def __init__(
        self, settings: Settings, views: Iterable[View], verifier: Verifier, alarms: AuditAlarms
    ) -> None:
        self._settings = settings
        self._views = list(views)
        self._verifier = verifier
        self._alarms = alarms
        for view in self._views:
            for outcome in OUTCOMES:  # from 0 on: the increase of a series that begins at 1 is 0
                metrics.AUDITS.labels(view.name, outcome)
            # What is never proved has to grow old too: of a series that is not there nobody is told.
            metrics.AUDIT_SUCCESS.labels(view.name).set_to_current_time()

    async def audit(self) -> None:
        """Prove all of them. One that cannot be proved now is told, and left for the next time.

        All answers are taken before the first is proved, so that Bronze is waited for once.
        """
        window = self._settings.audit_window
        taken = [
            (view, await self._or_failed(view, self._verifier.take(view, window))) for view in self._views
        ]
        for view, one in taken:
            began = time.monotonic()
            outcome = FAILED if one is None else await self._or_failed(view, self._outcome(view, one))
            metrics.AUDITS.labels(view.name, outcome or FAILED).inc()
            metrics.AUDIT_SECONDS.labels(view.name).set(time.monotonic() - began)

    async def _or_failed(self, view: View, step: Coroutine[Any, Any, T]) -> T | None:
        """What a step answers; None where it fails, which is told."""
        try:
            return await step
        except (ApiError, StoreError, CorruptFileError) as error:
            log.warning("%s could not be audited: %s", view.name, error)
        except Exception:  # one view that fails must not hide the others
            log.exception("%s could not be audited", view.name)
        return None

    async def _outcome(self, view: View, taken: Taken | Verdict) -> str:
        verdict = await self._verifier.prove(taken, self._settings.audit_wait_seconds)
        match verdict.state:
            case State.UNVERIFIED:
                log.warning("%s could not be proved: %s", view.name, "; ".join(verdict.notes))
            case State.DIFFERENT:
                metrics.AUDIT_DIFFERENCES.labels(view.name).set(len(verdict.differences))
                await self._alarms.wrong(view.name, difference(verdict))
            case State.EQUAL:
                metrics.AUDIT_DIFFERENCES.labels(view.name).set(0)
                metrics.AUDIT_SUCCESS.labels(view.name).set_to_current_time()
                log.info("%s is proved, over %d records", view.name, verdict.records)
                await self._alarms.right(view.name)
        return verdict.state.value


def difference(verdict: Verdict) -> str:
    """What is wrong, without a value or a dimension's."""
    found = verdict.differences
    measures = ", ".join(dict.fromkeys(one.measure for one in found))
    rows = len({tuple(one.row.items()) for one in found})
    what = f"{len(found):,} differences in {rows:,} rows, of {measures}"
    shown = f"`sluice verify {verdict.view.name}` shows them"
    return f"not what its definition gives over the same records: {what}; {shown}"
