"""What listens: the api and the workers' metrics."""

from __future__ import annotations

from dataclasses import dataclass

from streams.setting_groups.declared import setting
from streams.setting_groups.rules import choice, matching, real, whole


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """What listens: the api and the workers' metrics."""

    http_host: str = setting("127.0.0.1", matching(r"[\w.:\[\]-]+", "a host"), "address the api listens on")
    http_port: int = setting("8080", whole(0, 65535), "port of the api (0: any free one)")
    metrics_host: str = setting(
        "127.0.0.1", matching(r"[\w.:\[\]-]+", "a host"), "address of a worker's metrics"
    )
    metrics_port: int = setting("9100", whole(0, 65535), "port of a worker's metrics (0: any free one)")
    stream_seconds: float = setting("1", real(0.1, 3600), "shortest time between two answers of a stream")
    auth: str = setting("off", choice("off"), "who may read the api; off needs a loopback host")
