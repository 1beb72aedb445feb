"""`analyst_city_scope`: which cities each analyst may see."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from streams.access.kept_file import KeptFile, KeptFileError
from tables.scope import Scope
from tables.spec.fields import OTHER

COLUMNS = ["analyst", "city"]
ALL = "*"
_CITY = re.compile(r"[a-z0-9_-]{1,64}")


class CityScopes:
    """The mapping, read again when it changes. Raises `KeptFileError` for a wrong file."""

    def __init__(self, path: Path) -> None:
        self._file = KeptFile(path, read_scopes)

    def of(self, analyst: str) -> Scope:
        """The analyst's cities; None for all of them, and null. Without a line there are none."""
        return self._file.get().get(analyst, frozenset())


def read_scopes(path: Path, text: str) -> Mapping[str, Scope]:
    """Analyst → cities, from CSV lines `analyst,city`, with a heading or without; empty lines and comments
    (#) are passed over.

    Raises `KeptFileError`, with the line, for the first that is wrong.
    """
    cities: defaultdict[str, set[str]] = defaultdict(set)
    lines = csv.reader(text.splitlines(), strict=True)
    try:
        for row in lines:
            cells = [cell.strip() for cell in row]
            if not any(cells) or cells[0].startswith("#") or (cells == COLUMNS and not cities):
                continue
            analyst, city = _line(f"{path}, line {lines.line_num}", cells)
            cities[analyst].add(city)
    except csv.Error as error:
        raise KeptFileError(f"{path}, line {lines.line_num}: is no CSV ({error})") from None
    return {analyst: None if ALL in seen else frozenset(seen) for analyst, seen in cities.items()}


def _line(where: str, cells: list[str]) -> tuple[str, str]:
    if len(cells) != 2 or not cells[0]:
        raise KeptFileError(f"{where}: must be analyst,city")
    analyst, city = cells
    if city == OTHER:
        raise KeptFileError(f"{where}: {OTHER} is no city, but what is summed over many: it is for * alone")
    if city != ALL and not _CITY.fullmatch(city):
        raise KeptFileError(f"{where}: a city is 1 to 64 of a-z 0-9 _ -, or {ALL} for all and null")
    return analyst, city
