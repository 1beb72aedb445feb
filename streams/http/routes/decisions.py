"""What operators decide: the body of a POST, who may send one, and the record that is made of it."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from aiokafka.errors import KafkaError
from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from streams.access.access import Visitor
from streams.http.answer.problems import ForbiddenError
from streams.http.connection.guard import MOST_BODY, visitor
from streams.kafka.availability import reason_of
from streams.kafka.single_record import send_record
from streams.settings import Settings
from tables.query.params import ParameterError

Body = TypeVar("Body", bound=BaseModel)

SEND_SECONDS = 10.0


async def decided(request: Request, model: type[Body]) -> tuple[Visitor, Body]:
    """Who decides, and what. Raises `ForbiddenError`, `ParameterError`, and HTTPException for a body that is
    no JSON: a web page of another origin cannot send that."""
    asking = visitor(request)
    asking.scope()  # a token that has ended decides nothing
    if not asking.operates():
        raise ForbiddenError(
            "this is for those with the role operator: a line of SLUICE_OPERATORS_FILE names them"
        )
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "a decision is JSON: Content-Type: application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY:
            raise HTTPException(413, f"the body is over {MOST_BODY:,} bytes")
    try:
        return asking, model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise ParameterError(where, first["msg"]) from None


async def write(settings: Settings, topic: str, key: bytes, value: bytes) -> None:
    """Write a decision's record. Raises HTTPException (503) where it is not known to be written: to decide it
    again does no harm."""
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await send_record(settings, topic, key, value)
    except (KafkaError, OSError) as error:
        why = await reason_of(settings, error)
        raise HTTPException(503, f"the decision is not known to be written to {topic}: {why}") from None
