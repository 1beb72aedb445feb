"""analyst_city_scope as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.access.city_scopes import CityScopes, read_scopes
from streams.access.kept_file import KeptFileError
from tests.support.changing_files import change

MAPPING = """\ufeffanalyst,city
# two cities
ana,london
"ana", paris

ben,*
ben,london
cleo@shop.example,new_york-2
"""


def test_the_mapping(tmp_path: Path) -> None:
    (tmp_path / "scopes.csv").write_text(MAPPING, encoding="utf-8")
    scopes = CityScopes(tmp_path / "scopes.csv")
    assert scopes.of("ana") == frozenset({"london", "paris"})
    assert scopes.of("ben") is None
    assert scopes.of("cleo@shop.example") == frozenset({"new_york-2"})
    for other in ("dora", "ANA", "analyst", "*", ""):
        assert scopes.of(other) == frozenset(), "who has no line sees nothing"


def test_it_is_read_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scopes.csv").write_text("ana,london\n")
    scopes = CityScopes(tmp_path / "scopes.csv")
    change(tmp_path / "scopes.csv", "ana,paris\n", monkeypatch)
    assert scopes.of("ana") == frozenset({"paris"})
    change(tmp_path / "scopes.csv", "ana;rome\n", monkeypatch)
    assert scopes.of("ana") == frozenset({"paris"}), "one that is wrong does not count"
    change(tmp_path / "scopes.csv", "", monkeypatch)
    assert scopes.of("ana") == frozenset()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ana\n", "line 1: must be analyst,city"),
        ("ana,london,paris\n", "must be analyst,city"),
        ("ana,london\n,paris\n", "line 2: must be analyst,city"),
        ("ana,London\n", "a city is"),
        ("ana,\n", "a city is"),
        ("ana,_other\n", "is no city"),
        ('ana,"london\n', "is no CSV"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(KeptFileError, match=said):
        read_scopes(tmp_path / "scopes.csv", text)
