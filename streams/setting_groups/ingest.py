"""What comes in over HTTP, and the names that other systems' formats have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.setting_groups.declared import setting
from streams.setting_groups.rules import file, matching, pairs, real, whole


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """What comes in over HTTP, and the names that other systems' formats have."""

    ingest_host: str = setting(
        "127.0.0.1", matching(r"[\w.:\[\]-]+", "a host"), "address that ingest listens on"
    )
    ingest_port: int = setting("8090", whole(0, 65535), "port of ingest (0: any free one)")
    ingest_tokens_file: Path | None = setting(  # noqa: RUF009
        "",
        file(),
        "who may post to ingest: name,sha256 of the token[,events per second] a line; without it only a"
        " loopback host is possible",
    )
    ingest_body_bytes: int = setting(
        "4194304", whole(1024, 2**28), "largest body that is taken by ingest, in bytes"
    )
    ingest_inflight_bytes: int = setting(
        "67108864",
        whole(1024, 2**33),
        "bodies that ingest holds until Kafka has acknowledged them, in bytes",
    )
    ingest_wait_seconds: float = setting(
        "10", real(0.1, 600), "how long ingest waits for Kafka's acknowledgement before it answers 503"
    )
    stripe_secret_file: Path | None = setting(  # noqa: RUF009
        "",
        file(),
        "file with the signing secrets of Stripe's webhooks, one a line; without it ingest has none",
    )
    stripe_metadata: tuple[tuple[str, str], ...] = setting(
        "",
        pairs("booking_id", "provider_id", "city"),
        "keys of Stripe's metadata that are named otherwise: booking_id=order,city=town",
    )
    debezium_columns: tuple[tuple[str, str], ...] = setting(
        "",
        pairs("id", "type", "payload", "timestamp", "source", "city"),
        "columns of the outbox table that are named otherwise: id=event_uuid,type=event_type",
    )
