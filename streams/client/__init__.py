"""A typed client of the api, for Python programs and for our own commands: `SluiceClient` (docs/api.md)."""

from streams.client.answers import (
    Alarm,
    AlarmsAnswer,
    EntityPage,
    Gate,
    GatesAnswer,
    Partition,
    ViewAnswer,
    ViewInfo,
)
from streams.client.client import SluiceClient
from streams.client.errors import ApiAwayError, ApiError, ApiRefusalError

__all__ = [
    "Alarm",
    "AlarmsAnswer",
    "ApiAwayError",
    "ApiError",
    "ApiRefusalError",
    "EntityPage",
    "Gate",
    "GatesAnswer",
    "Partition",
    "SluiceClient",
    "ViewAnswer",
    "ViewInfo",
]
