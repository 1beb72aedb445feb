"""POST /v1/webhooks/stripe: one webhook event, signed by Stripe.

Stripe sends an event again for days until it is answered with 2xx: that is given only to what is in Kafka, or
is known not to be for us.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from streams.access.kept_file import KeptFile
from streams.ingest.answers import RefusedRequestError, answer, refusal
from streams.ingest.intake import Intake, counted
from streams.ingest.stripe_signature import HEADER, SignatureError, check_signature, read_secrets
from streams.sources.mappings.mapping import Mapping, Refused

ROUTE = "stripe"

log = logging.getLogger(__name__)


class StripeWebhooks:
    """Answers Stripe's requests. Without a file of secrets there is no such route."""

    def __init__(self, intake: Intake, mapping: Mapping, secrets: Path | None) -> None:
        self._intake = intake
        self._mapping = mapping
        self._secrets = None if secrets is None else KeptFile(secrets, read_secrets)

    async def post(self, request: Request) -> Response:
        """Take an event."""
        try:
            with self._intake.held() as holding:
                secrets = self._known_secrets()
                body = await self._intake.body(request, holding)
                check_signature(request.headers.get(HEADER), body, secrets, time.time())
                found = await self._intake.take(ROUTE, self._mapping, (body,), holding)
        except SignatureError as error:
            return counted(ROUTE, refusal(RefusedRequestError(400, str(error))))
        except RefusedRequestError as error:
            return counted(ROUTE, refusal(error))
        for verdict in found:
            if isinstance(verdict, Refused):
                log.warning(
                    "a webhook of Stripe is refused, %s %s: %s", verdict.code, verdict.reason, verdict.detail
                )
        return counted(ROUTE, answer(found))

    def _known_secrets(self) -> tuple[bytes, ...]:
        if self._secrets is None:
            raise RefusedRequestError(404, "no webhooks are taken here: SLUICE_STRIPE_SECRET_FILE is not set")
        return self._secrets.get()
