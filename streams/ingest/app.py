"""The routes of `sluice ingest http` (docs/sources.md)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streams import metrics
from streams.http.answer.problems import problem
from streams.ingest.clients import Clients
from streams.ingest.delivery import Delivery
from streams.ingest.intake import Intake, Origin
from streams.ingest.webhooks import StripeWebhooks
from streams.settings import Settings
from streams.sources.mappings.envelopes import Envelopes
from streams.sources.mappings.formats import FORMATS

EVENTS, STRIPE, MAP = "/v1/events", "/v1/webhooks/stripe", "/v1/map/"
SILENCE_SECONDS = 5.0
"""For so long Kafka may owe an answer before ingest is not ready."""
BUILT_IN = ("cloudevents", "connect", "debezium")

log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]


def create_app(
    settings: Settings, delivery: Delivery, clients: Clients, declared: Mapping[str, Origin]
) -> Starlette:
    """The app. `declared`: the mapping files, by the names of their routes. Raises `KeptFileError`."""
    intake = Intake(settings, delivery, clients)
    stripe = StripeWebhooks(intake, FORMATS["stripe"](settings), settings.stripe_secret_file)
    built_in = {name: Origin("map", FORMATS[name](settings)) for name in BUILT_IN}
    routes = [
        Route(EVENTS, _posting(intake, Origin("events", Envelopes())), methods=["POST"]),
        Route(STRIPE, stripe.post, methods=["POST"]),
        *(
            Route(f"{MAP}{name}", _posting(intake, origin), methods=["POST"])
            for name, origin in {**built_in, **declared}.items()
        ),
        Route("/healthz", _healthz),
        Route("/readyz", _ready(delivery)),
        Route("/metrics", _metrics(delivery)),
    ]
    known = [route.path for route in routes]

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return problem(404, f"{request.url.path}: there is no such route", None, routes=known)
        return problem(error.status_code, f"{request.url.path}: {error.detail}", error.headers)

    return Starlette(routes=routes, exception_handlers={HTTPException: http_error, Exception: _bug})


def _posting(intake: Intake, origin: Origin) -> Handler:
    async def post(request: Request) -> Response:
        return await intake.post(request, origin)

    return post


async def _healthz(_: Request) -> Response:
    return Response(msgspec.json.encode({"status": "ok"}), media_type="application/json")


def _waiting_for(delivery: Delivery) -> str | None:
    if delivery.waiting_for is None and delivery.unanswered_seconds > SILENCE_SECONDS:
        return f"Kafka, which has not answered for {delivery.unanswered_seconds:.0f} s"
    return delivery.waiting_for


def _ready(delivery: Delivery) -> Handler:
    async def readyz(_: Request) -> Response:
        waiting_for = _waiting_for(delivery)
        if waiting_for is not None:
            return problem(503, f"waiting for {waiting_for}", {"retry-after": "1"})
        return Response(msgspec.json.encode({"status": "ready"}), media_type="application/json")

    return readyz


def _metrics(delivery: Delivery) -> Handler:
    async def prometheus(_: Request) -> Response:
        metrics.READY.set(_waiting_for(delivery) is None)
        return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})

    return prometheus


async def _bug(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "this is a fault of ingest; its log says more")
