"""The files below deploy/ that are made of the declarations."""

from __future__ import annotations

from streams.monitoring.options import Options
from streams.monitoring.routes import alertmanager_file
from streams.monitoring.rules import rules_file

RULES = "prometheus/rules.yml"
ALERTMANAGER = "alertmanager/alertmanager.yml"


def monitoring_files(options: Options) -> dict[str, str]:
    """Path, below deploy/ or another folder, to content."""
    return {RULES: rules_file(options), ALERTMANAGER: alertmanager_file(options)}
