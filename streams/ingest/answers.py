"""What ingest answers: a verdict for each value that was posted, or a problem document for the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from schemas.validation.reasons import Reason
from streams.http.answer.problems import problem
from streams.sources.mappings.mapping import NotForUs, Refused
from streams.sources.mappings.verdicts import Accepted, Verdict

TOO_LARGE = Refused(
    Reason.TOO_LARGE.code,
    Reason.TOO_LARGE,
    "",
    "the event is larger than its topic takes (max.message.bytes)",
)


class RefusedRequestError(Exception):
    """A request is refused as a whole: its status, and what to tell. `retry_after`: in seconds."""

    def __init__(self, status: int, detail: str, *, retry_after: float | None = None, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if retry_after is not None:
            self.headers["retry-after"] = str(max(1, int(-(-retry_after // 1))))


def refusal(error: RefusedRequestError) -> Response:
    """The problem document of a request that is refused as a whole."""
    return problem(error.status, str(error), error.headers)


def counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many of each verdict."""
    accepted = sum(isinstance(verdict, Accepted) for verdict in verdicts)
    refused = sum(isinstance(verdict, Refused) for verdict in verdicts)
    return {"accepted": accepted, "refused": refused, "not_for_us": len(verdicts) - accepted - refused}


def answer(verdicts: Sequence[Verdict]) -> Response:
    """200 if nothing is refused: all of it is in Kafka, or not for us; else 422, with the same members."""
    members: dict[str, Any] = {**counts(verdicts), "verdicts": list(map(_written, verdicts))}
    if not members["refused"]:
        return Response(msgspec.json.encode(members), media_type="application/json")
    detail = f"{members['refused']} of {len(verdicts)} refused; {members['accepted']} accepted, and in Kafka"
    return problem(422, f"{detail}: see verdicts", None, **members)


def _written(verdict: Verdict) -> dict[str, Any]:
    if isinstance(verdict, Accepted):
        return {"verdict": "accepted", "event_ids": [event.event_id for event in verdict.events]}
    if isinstance(verdict, NotForUs):
        return {"verdict": "not_for_us", "type": verdict.kind, "detail": verdict.why}
    return {"verdict": "refused", **verdict._asdict()}
