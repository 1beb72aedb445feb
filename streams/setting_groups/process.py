"""Every process: its folder and its log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.setting_groups.declared import setting
from streams.setting_groups.rules import choice, folder, matching, whole


@dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """Every process: its folder and its log."""

    data_dir: Path = setting(".sluice", folder(), "folder for what commands keep")  # noqa: RUF009
    log_level: str = setting("INFO", choice("DEBUG", "INFO", "WARNING", "ERROR"), "what is logged")
    log_format: str = setting(
        "auto",
        choice("auto", "json", "text"),
        "log lines as JSON or as text; auto: text on a terminal, else JSON",
    )
    otlp_endpoint: str = setting(
        "",
        matching(r"(https?://[^\s?#@]+)?", "http(s)://host:port, or empty"),
        "OpenTelemetry collector that gets a span for each checkpoint by OTLP over HTTP, at /v1/traces; needs"
        " the extra sluice[otlp]; empty: none",
    )
    emf: int = setting(
        "0",
        whole(0, 1),
        "1: also count errors as CloudWatch Embedded Metric Format, a line for each code and minute",
    )
