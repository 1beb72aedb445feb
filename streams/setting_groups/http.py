"""What listens: the api and the workers' metrics; and how the commands ask the api."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.setting_groups.declared import setting
from streams.setting_groups.rules import file, matching, names, perhaps, real, whole


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """What listens: the api and the workers' metrics; and how the commands ask the api."""

    http_host: str = setting("127.0.0.1", matching(r"[\w.:\[\]-]+", "a host"), "address the api listens on")
    http_port: int = setting("8080", whole(0, 65535), "port of the api (0: any free one)")
    http_tls_cert: Path | None = setting(  # noqa: RUF009
        "", file(), "PEM file with the api's certificate and those above it; read again when it changes"
    )
    http_tls_key: Path | None = setting("", file(), "PEM file with its private key")  # noqa: RUF009
    http_cors_origins: tuple[str, ...] = setting(
        "",
        perhaps(
            names(r"https?://[A-Za-z0-9.:\[\]-]+", "origins such as https://ops.example.com, with commas")
        ),
        "web pages of other origins that may ask the api; empty: none",
    )
    http_connections: int = setting(
        "4096",
        whole(16, 1_000_000),
        "connections that the api keeps; for one more, the one goes that has been idle for longest",
    )
    http_streams: int = setting(
        "5000",
        whole(1, 1_000_000),
        "questions that the open streams of one api follow, over all who ask; a page of the console has one"
        " for each tile and each trend",
    )
    http_query_bytes: int = setting(
        "16384", whole(256, 60_000), "longest path and query of a request, in bytes"
    )
    http_access_log: int = setting(
        "1", whole(0, 1), "1: a line for each request to the api, but for those of Prometheus and the probes"
    )
    stream_seconds: float = setting("1", real(0.1, 3600), "shortest time between two answers of a stream")
    metrics_host: str = setting(
        "127.0.0.1", matching(r"[\w.:\[\]-]+", "a host"), "address of a worker's metrics"
    )
    metrics_port: int = setting("9100", whole(0, 65535), "port of a worker's metrics (0: any free one)")
    api_url: str = setting(
        "",
        matching(r"(https?://[^\s?#]+)?", "http://… or https://…, or empty"),
        "where commands and the audit ask the api; empty: at SLUICE_HTTP_HOST and SLUICE_HTTP_PORT",
    )
    api_token_file: Path | None = setting(  # noqa: RUF009
        "", file(), "file with the token by which commands ask the api"
    )
    api_ca_file: Path | None = setting(  # noqa: RUF009
        "", file(), "PEM file with the api's CAs, where this machine does not trust them anyway"
    )
