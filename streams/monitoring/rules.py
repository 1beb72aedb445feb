"""All rules, as files of Prometheus."""

from __future__ import annotations

from typing import Any

import yaml

from streams.monitoring import data_alerts, notify_alerts, pipeline_alerts, process_alerts
from streams.monitoring.objectives import freshness
from streams.monitoring.options import Options
from streams.monitoring.rule import Alert, Group, Query

HEAD = """# Made by `sluice schemas render` from streams/monitoring; `sluice monitoring render` makes
# it with other selectors and thresholds.
"""


def groups(options: Options) -> list[Group]:
    """The groups of rules, in the order of the file."""
    query = Query(options)
    return [
        freshness(query),
        pipeline_alerts.pipeline(query),
        data_alerts.gates(query),
        data_alerts.audit(query),
        data_alerts.quarantine(query),
        process_alerts.processes(query),
        process_alerts.machines(query),
        process_alerts.store(query),
        notify_alerts.notify(query),
    ]


def alerts(options: Options) -> list[Alert]:
    """All that can fire."""
    return [rule for group in groups(options) for rule in group.rules if isinstance(rule, Alert)]


def rules_file(options: Options) -> str:
    """`rules.yml`."""
    return written({"groups": [group.group(options) for group in groups(options)]})


def written(document: Any) -> str:
    """YAML with a heading that says where it is from."""
    dumped: str = yaml.safe_dump(document, sort_keys=False, width=110, allow_unicode=True)
    return HEAD + dumped
