"""The files below deploy/ that are made of the declarations."""

from __future__ import annotations

from schemas.extensions import Extension
from streams.monitoring.options import Options
from streams.monitoring.routes import alertmanager_file
from streams.monitoring.rules import rules_file

RULES = "prometheus/rules.yml"
ALERTMANAGER = "alertmanager/alertmanager.yml"


class NoSdkError(Exception):
    """Grafana's SDK is not installed; `str()` says how to install it."""


def monitoring_files(options: Options) -> dict[str, str]:
    """Path, below deploy/ or another folder, to content, of what needs no SDK."""
    return {RULES: rules_file(options), ALERTMANAGER: alertmanager_file(options)}


def dashboards(options: Options, extension: Extension | None = None) -> dict[str, str]:
    """The same of the dashboards: our own, or that of an extension. Raises `NoSdkError`."""
    try:
        from streams.monitoring.dashboards.files import (  # noqa: PLC0415 - the SDK is an extra
            dashboard_files,
            extension_file,
        )
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("grafana_foundation_sdk"):
            raise
        raise NoSdkError("dashboards need Grafana's SDK: pip install 'sluice[dashboards]'") from None
    return dashboard_files(options) if extension is None else extension_file(extension, options)
