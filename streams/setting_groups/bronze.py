"""Where Bronze lies, when its ranges are closed, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass

from streams.setting_groups.declared import setting
from streams.setting_groups.rules import matching, names, perhaps, whole

_S3 = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s?#]*)?"


@dataclass(frozen=True, kw_only=True)
class BronzeSettings:
    """Where Bronze lies, when its ranges are closed, and what it may cost."""

    bronze_url: str = setting(
        "",
        matching(
            rf"({_S3}|file:///[^\s?#]+)?",
            "s3://bucket/prefix or file:///dir, or empty for the folder bronze in SLUICE_DATA_DIR",
        ),
        "where Bronze lies",
    )
    bronze_former: tuple[str, ...] = setting(
        "",
        perhaps(names(rf"{_S3}|file:///[^\s?#]+", "s3://bucket/prefix or file:///dir with commas, or empty")),
        "where Bronze lay before Kafka was lost, the oldest first: read by restore, verify, explain, rebuild",
    )
    bronze_city_domains: tuple[str, ...] = setting(
        "",
        perhaps(names(r"[a-z0-9_-]{1,64}", "domains of the catalogue with commas, none twice, or empty")),
        "domains whose Bronze objects lie by city, too; empty: all of Bronze is one table",
    )
    bronze_max_seconds: int = setting(
        "60",
        whole(1, 86400),
        "age at which a Bronze range is closed, in seconds; ten times that while it is behind by more",
    )
    bronze_max_bytes: int = setting(
        "67108864", whole(1024, 2**30), "raw value at which a Bronze range is closed, in bytes"
    )
    budget_puts: int = setting(
        "0",
        whole(0, 10**12),
        "PUT and LIST requests that Bronze may take in 30 days: an alert tells of more; 0: none does",
    )
