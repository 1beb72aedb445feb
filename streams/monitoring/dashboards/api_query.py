"""A query of Grafana's Infinity data source to our api, of which the SDK has no type.

Numbers of views come from the api, not from Prometheus: they are of cities, and who looks may see only some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import DataqueryConfig, register_dataquery_variant
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

TYPE = "yesoreyeram-infinity-datasource"
API = DataSourceRef(TYPE, "sluice-api")
"""As deploy/grafana/datasources.yml has it: there is its URL, and the token, whose cities are shown."""


@dataclass(frozen=True)
class Column:
    """A member of the answer's rows. `kind`: string, number or timestamp."""

    selector: str
    title: str
    kind: str


@dataclass(frozen=True)
class ApiQuery(Dataquery):
    """Ask a path of the api with these parameters, and take these columns of its flat rows."""

    path: str
    params: Mapping[str, str]
    columns: tuple[Column, ...]

    def to_json(self) -> dict[str, object]:
        """As the data source stores it."""
        params = {**self.params, "format": "flat"}
        return {
            "refId": "A",
            "datasource": API.to_json(),
            "type": "json",
            "source": "url",
            "format": "table",
            "parser": "backend",
            "root_selector": "",
            "url": self.path,
            "url_options": {
                "method": "GET",
                "params": [{"key": name, "value": value} for name, value in params.items()],
            },
            "columns": [
                {"selector": one.selector, "text": one.title, "type": one.kind} for one in self.columns
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        params = {one["key"]: one["value"] for one in data["url_options"]["params"]}
        params.pop("format")
        columns = tuple(Column(one["selector"], one["text"], one["type"]) for one in data["columns"])
        return cls(data["url"], params, columns)


class ApiQueryBuilder(Builder[ApiQuery]):
    """What panels take."""

    def __init__(self, query: ApiQuery) -> None:
        self._query = query

    def build(self) -> ApiQuery:
        """The query."""
        return self._query


def register() -> None:
    """So that the SDK can read dashboards with such queries."""
    register_dataquery_variant(DataqueryConfig(identifier=TYPE, from_json_hook=ApiQuery.from_json))
