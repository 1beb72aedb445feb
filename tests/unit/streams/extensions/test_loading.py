"""Which packages are loaded, and how one that cannot be is refused: in one line, with exit code 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.extensions import extensions
from streams.extensions import loading, testing
from streams.extensions.skeleton import files
from streams.settings import SettingError, Settings
from tables.views import VIEWS
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE

ADAPTER = (
    "from schemas.spec import Adapter\nSAME = Adapter(of=2, to=1, adapt=lambda event: {}, examples=())\n"
)
GOOD = "from acme_events import EVENTS, VIEWS\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages in which `acme_events` and `other_events` lie, installed, with entry points."""
    for name in ("acme_events", "other_events"):
        written = files(name)
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(written[f"{name}/__init__.py"])
        metadata = tmp_path / f"{name}-0.1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        (metadata / "entry_points.txt").write_text(f"[sluice.extensions]\n{name} = {name}\n")
    return tmp_path


def sluice(site: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("SLUICE_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "streams.cli.main", *arguments],
        env={**inherited, "PYTHONPATH": str(site), **environ},
        capture_output=True, text=True, check=False, timeout=60 * PATIENCE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "loaded"),
    [
        ({}, {"acme_events", "other_events"}),
        ({"SLUICE_EXTENSIONS": "installed"}, {"acme_events", "other_events"}),
        ({"SLUICE_EXTENSIONS": "other_events"}, {"other_events"}),
        ({"SLUICE_EXTENSIONS": "other_events, installed"}, {"acme_events", "other_events"}),
        ({"SLUICE_EXTENSIONS": ""}, set()),
    ],
)
def test_what_is_named_is_loaded_once_and_else_the_entry_points(
    site: Path, environ: dict[str, str], loaded: set[str]
) -> None:
    done = sluice(site, "schemas", "list", "--json", **environ)
    assert done.returncode == 0, done.stderr
    found = [event["extension"] for event in json.loads(done.stdout) if event["extension"]]
    assert sorted(found) == sorted(loaded)


REFUSED = {
    "import none_such": "it needs none_such, which is not installed: install that, too",
    "1 / 0": "it cannot be imported: ZeroDivisionError: division by zero (",
    "raise SystemExit(3)": "it cannot be imported: SystemExit: 3 (",
    "x = 1": "it has neither EVENTS nor VIEWS nor GATES nor ADAPTERS",
    "ADAPTERS = ()": "its ADAPTERS is a tuple: it must map an event's name to a tuple of adapters",
    "ADAPTERS = {'payout.paid': (1,)}": "its ADAPTERS['payout.paid'][0] is a int: it must be a Adapter",
    ADAPTER + "ADAPTERS = {'payout.paid': (SAME, SAME)}": "ADAPTERS: event payout.paid: it has 2 adapters",
    ADAPTER + "ADAPTERS = {'payout.lost': (SAME,)}": "ADAPTERS: there is no event payout.lost",
    ADAPTER + "ADAPTERS = {'payout.paid': (SAME,)}": "ADAPTERS: event payout.paid: its adapter of ver",
    "EVENTS = {}": "its EVENTS is a dict: it must be a tuple",
    "VIEWS = ('kpi_gmv',)": "its VIEWS[0] is a str: it must be a View",
    "from schemas.catalogue.studios import EVENTS": "it uses the catalogue before it is part of it",
    GOOD.replace("EVENTS, VIEWS", "VIEWS"): "view acme_events_gifts, measure sold: there is no event acme",
    GOOD + "VIEWS = (*VIEWS, *VIEWS)": "view acme_events_gifts: wrong declares a view of that name",
    GOOD + "EVENTS = (*EVENTS, *EVENTS)": "event acme_events.gift_sold: wrong declares an event of that name",
}  # fmt: skip


@pytest.mark.parametrize("code", REFUSED)
def test_a_package_that_cannot_be_used_is_named_with_what_is_wrong(site: Path, code: str) -> None:
    (site / "wrong.py").write_text(code)
    done = sluice(site, "topics", "--help", SLUICE_EXTENSIONS="wrong")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith(f"sluice: SLUICE_EXTENSIONS: wrong: {REFUSED[code]}"), done.stderr
    assert done.stderr.count("\n") == 1


def test_two_packages_that_clash_are_both_named(site: Path) -> None:
    (site / "wrong.py").write_text(GOOD)
    done = sluice(site, "settings", SLUICE_EXTENSIONS="acme_events,wrong")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "sluice: SLUICE_EXTENSIONS: wrong: event acme_events.gift_sold: acme_events declares an event of that"
    )


def test_an_entry_point_that_cannot_be_used_is_named_and_can_be_left_out(site: Path) -> None:
    points = site / "other_events-0.1.0.dist-info" / "entry_points.txt"
    for value, said in (
        ("nowhere", "nowhere: there is no such package"),
        ("os:path", "its value os:path is no"),
    ):
        points.write_text(f"[sluice.extensions]\nmine = {value}\n")
        done = sluice(site, "settings")
        assert done.returncode == 2
        point = "entry point mine of other_events 0.1.0 (SLUICE_EXTENSIONS names others, or none)"
        assert done.stderr.startswith(f"sluice: {point}: {said}")
        assert sluice(site, "settings", SLUICE_EXTENSIONS="acme_events").returncode == 0


def test_views_and_domains_of_extensions_can_be_chosen_by_name(site: Path) -> None:
    chosen = {"SLUICE_VIEWS": "acme_events_gifts", "SLUICE_BRONZE_CITY_DOMAINS": "acme_events"}
    assert sluice(site, "settings", **chosen).returncode == 0
    refused = sluice(site, "settings", SLUICE_EXTENSIONS="", **chosen)
    assert refused.returncode == 2
    assert "there is no view acme_events_gifts" in refused.stderr


ENTITY = """
from schemas.spec import EventSpec
from schemas.types import Id, Instant, Payload
from tables.spec.entity_measures import Count
from tables.spec.fields import Kind
from tables.spec.tracked import Deadline, Kept, Selection, Stage, Tracked
from tables.spec.view import Entity
from tables.spec.windowed import DistinctCount, Term, Windowed

class TourBooked(Payload):
    'A tour was booked.'
    tour_id: Id
    begins_at: Instant

class TourEnded(Payload):
    'A tour ended.'
    tour_id: Id

EVENTS = (
    EventSpec(
        name="tour.booked",
        payload=TourBooked,
        examples=({"tour_id": "t", "begins_at": "2026-03-01T13:00:00Z"},),
        counter_examples=(({"begins_at": "soon"}, "begins_at"),),
    ),
    EventSpec(name="tour.ended", payload=TourEnded, examples=({"tour_id": "t"},), counter_examples=()),
)
TRACKED = Tracked(
    id_fields=("tour_id",),
    stages=(Stage("tour.booked", "booked", 0, opens=True), Stage("tour.ended", "ended", 1, closes=True)),
    keep=(Kept("begins_at", Kind.TIME),),
    selections=(
        Selection("late", "Should have begun", ("booked",), Deadline("begins_at", until_seconds=0)),
        Selection("ended", "Ended", ("ended",)),
    ),
)
CLICKERS = (DistinctCount("users", "Users", (Term("search.click", "user_id"),)),)
COUNTS = (Count("late", "Late", "late"), Count("ended", "Ended", "ended"))
VIEWS = (
    Entity("tours", "Tours.", ("city",), COUNTS, TRACKED),
    Windowed("clickers", "Who clicks.", ("city",), CLICKERS),
)
"""
PROOF = """
from streams.extensions import testing
for _ in range(2):
    testing.load("tours", "acme_events")
assert testing.wrong_examples("tours") == testing.wrong_examples("acme_events") == []

def booked(tour, begins_at):
    return testing.event("tour.booked", {"tour_id": tour, "begins_at": begins_at}, city="oslo")

times = {"a": "2026-03-01T11:00:00Z", "b": "2026-03-01T13:00:00+02:00", "c": "2026-03-01T13:00:00Z"}
tours = [booked(tour, at) for tour, at in times.items()]
tours.append(testing.event("tour.ended", {"tour_id": "b"}, city="oslo"))
assert testing.rows("tours", tours) == [{"city": "oslo", "late": 1, "ended": 1}]
click = testing.event("search.click", {"session_id": "s", "listing_id": "l", "position": 0, "user_id": "u"})
assert testing.rows("clickers", [click]) == [{"city": None, "users": 1}]
assert testing.refusal(booked("a", "soon")) == "payload_field begins_at"
try:
    testing.rows("tours", [booked("", "soon")])
except testing.RefusedError as error:
    assert str(error) == "event 0 of the test: payload_field tour_id", error
else:
    raise AssertionError("it was taken")
"""


def test_entities_and_views_of_our_events_are_tried_like_ours(site: Path) -> None:
    (site / "tours.py").write_text(ENTITY)
    done = subprocess.run(
        [sys.executable, "-c", PROOF],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (site, ROOT)))},
        capture_output=True, text=True, check=False, timeout=60 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_its_pages_are_rendered_apart_and_ours_are_without_it(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "pages"
    assert sluice(site, "schemas", "check").returncode == 0, "of the project, whatever is installed"
    apart = ("--extension", "acme_events", "--out", str(out))
    assert sluice(site, "schemas", "check", *apart).returncode == 1
    assert sluice(site, "schemas", "render", *apart).returncode == 0
    assert sluice(site, "schemas", "check", *apart).returncode == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == [
        "docs/reference/events.md",
        "docs/reference/views.md",
        "schemas/avro/acme_events/acme_events.gift_sold.avsc",
        "schemas/json/acme_events/acme_events.gift_sold.json",
    ]
    assert "## acme_events_gifts\n" in (out / "docs/reference/views.md").read_text()
    done = sluice(site, "schemas", "render", "--extension", "acme", "--out", str(out))
    assert done.returncode == 2
    assert (
        "extension acme is not loaded (SLUICE_EXTENSIONS): there is acme_events, other_events" in done.stderr
    )


def test_its_event_and_view_are_on_the_schema_site(site: Path, tmp_path: Path) -> None:
    assert sluice(site, "schemas", "site", str(tmp_path / "out")).returncode == 0
    page = (tmp_path / "out/events/acme_events.gift_sold.html").read_text("utf-8")
    assert "of the extension <code>acme_events</code>" in page
    assert 'href="../views/acme_events_gifts.html"' in page
    assert "Avro record" in page
    assert (tmp_path / "out/schemas/json/acme_events/acme_events.gift_sold.json").is_file()
    assert "acme_events_gifts" in (tmp_path / "out/index.html").read_text("utf-8")


def test_doctor_names_what_is_loaded(site: Path) -> None:
    done = sluice(site, "doctor", "--json", "--timeout", "1", SLUICE_KAFKA="127.0.0.1:1")
    found = [finding["found"] for finding in json.loads(done.stdout) if finding["what"] == "extension"]
    assert [line.partition(":")[0] for line in found] == ["acme_events 0.1.0", "other_events 0.1.0"]


@pytest.mark.parametrize("text", ["acme-events", "acme,acme", "acme.", "ácme", "a b"])
def test_only_names_of_packages_are_taken(text: str) -> None:
    with pytest.raises(SettingError, match=r"SLUICE_EXTENSIONS=.*Python packages"):
        Settings.load({"SLUICE_EXTENSIONS": text})
    with pytest.raises(SettingError, match="SLUICE_EXTENSIONS"):
        loading.load({"SLUICE_EXTENSIONS": text})


def test_nothing_is_added_to_a_catalogue_in_use() -> None:
    assert VIEWS
    assert extensions() == ()
    loading.load({"SLUICE_EXTENSIONS": ""})
    with pytest.raises(RuntimeError, match="the catalogue is in use already"):
        testing.load("schemas.catalogue.studios")
