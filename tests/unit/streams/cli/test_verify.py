"""`sluice verify` with an api that answers what the test says, over a Bronze in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streams.cli.main import main
from streams.cli.verify_page import verdict_page
from streams.verify.answer import Answer
from streams.verify.compare import Difference
from streams.verify.proof import State, Verdict
from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.views import VIEWS
from tests.support.api import Api, answering
from tests.support.bronze_folder import write_bronze
from tests.support.feed_records import situation
from tests.support.golden import Golden
from tests.support.terminal import every_screen
from tests.support.view_records import LIMITS, PARTITIONS, reader_of, records

READS = records(2, in_time=True)
VIEW = "ops_recon_variance"


@pytest.fixture(scope="module")
def live() -> dict[str, dict[str, Any]]:
    """What an api that has folded the records answers of each view."""
    reader = reader_of(READS)
    now = situation((reader.newest_us() or 0) / 1e6, partitions=PARTITIONS)
    return {
        name: answer_view(reader, view, parse_view_query(view, [("window", "6h")]), now)
        for name, view in VIEWS.items()
    }


@pytest.fixture
def api(live: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("SLUICE_BRONZE_URL", f"file://{tmp_path}/bronze")
    monkeypatch.setenv("SLUICE_PANE_HOURS", str(LIMITS.pane_hours))
    with answering() as api:
        listed = [
            {"name": name, "kind": "", "dimensions": [], "measures": [], "description": ""} for name in VIEWS
        ]
        api.answers = {f"/v1/views/{name}": (200, said) for name, said in live.items()}
        api.answers["/v1/views"] = (200, {"views": listed})
        write_bronze(tmp_path / "bronze", READS)
        yield api


def verify(api: Api, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["verify", *arguments, "--api", api.url])


def changed(api: Api, view: str = VIEW, **members: Any) -> None:
    status, said = api.answers[f"/v1/views/{view}"]
    api.answers[f"/v1/views/{view}"] = (status, {**said, **members})


def test_what_is_right_is_equal(api: Api) -> None:
    found = verify(api, VIEW, "--window", "6h")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.startswith(f"equal  {VIEW}: 6 rows over ")
    assert "events.raw-0 0–" in found.stdout
    assert (f"/v1/views/{VIEW}", [("window", "6h")]) in api.asked


def test_what_lags_is_equal_and_says_that_it_is_incomplete(api: Api, live: dict[str, dict[str, Any]]) -> None:
    reasons = live[VIEW]["incomplete_because"]
    assert reasons
    verdict = json.loads(verify(api, VIEW, "--json").stdout)
    assert verdict["state"] == "equal"
    assert verdict["notes"] == [f"the answer says that it is incomplete: {why}" for why in reasons]
    changed(api, incomplete_because=[])
    assert json.loads(verify(api, VIEW, "--json").stdout)["notes"] == []


def test_what_lacks_a_whole_partition_is_unverified(api: Api, live: dict[str, dict[str, Any]]) -> None:
    first, *rest = live[VIEW]["partitions"]
    why = f"{first['topic']}-{first['partition']}: no worker has reported on it for 10 s"
    changed(api, partitions=[{**first, "first_offset": None}, *rest], incomplete_because=[why])
    found = verify(api, VIEW, "--json")
    assert (found.exit_code, json.loads(found.stdout)["state"]) == (1, "unverified")
    assert json.loads(found.stdout)["notes"] == [f"whole partitions may be missing from the answer: {why}"]


def test_two_rows_of_the_same_dimensions_are_different(api: Api, live: dict[str, dict[str, Any]]) -> None:
    rows = live[VIEW]["rows"]
    changed(api, rows=[rows[0], *rows])
    verdict = json.loads(verify(api, VIEW, "--json").stdout)
    assert verdict["state"] == "different"
    (twice,) = verdict["differences"]
    assert (twice["measure"], twice["live"], twice["computed"]) == ("rows", 2, 1)


def test_all_views_are_proved_one_after_the_other(api: Api) -> None:
    found = verify(api, "all", "--json")
    assert found.exit_code == 0, found.output
    verdicts = json.loads(found.stdout)
    assert [one["view"] for one in verdicts] == [*VIEWS]
    assert {one["state"] for one in verdicts} == {"equal"}
    assert all(one["rows"] and one["records"] for one in verdicts)


def test_what_is_wrong_is_shown_row_by_row(api: Api, live: dict[str, dict[str, Any]]) -> None:
    rows = live[VIEW]["rows"]
    wrong = {**rows[0], "charges_minor": rows[0]["charges_minor"] + 123}
    changed(api, rows=[wrong, *rows[1:-1]])
    found = verify(api, VIEW, "--json")
    assert found.exit_code == 1
    assert f"QUALITY_CHECK_FAILED: {VIEW}: not what" in found.stderr
    verdict = json.loads(found.stdout)
    assert verdict["state"] == "different"
    dimensions = {name: rows[0][name] for name in ("city", "currency")}
    assert verdict["differences"][0] == {
        "row": dimensions, "measure": "charges_minor", "live": wrong["charges_minor"],
        "computed": rows[0]["charges_minor"],
    }  # fmt: skip
    missing = {one["measure"]: one["live"] for one in verdict["differences"] if one["row"] != dimensions}
    assert set(missing.values()) == {None}
    text = verify(api, VIEW).stdout
    assert text.startswith(f"different  {VIEW}: ")
    assert "the answer says that it is incomplete: events.raw-0: no worker has reported on it" in text
    lines = [line.split() for line in text.splitlines()]
    heading = lines.index(["city", "currency", "measure", "live", "computed"])
    assert lines[heading + 1][:3] == ["-", rows[0]["currency"], "charges_minor"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (
            {"since": "2100-01-01T00:00:00Z", "incomplete_because": ["events.raw-0: records were lost"]},
            "events from before 2100-01-01T00:00:00Z may be missing from the answer: events.raw-0: records",
        ),
        ({"scoped": True}, "the api answers for some cities alone: in SLUICE_API_TOKEN_FILE has to be"),
        ({"partitions": [{}]}, "is not what this release knows"),
    ],
)
def test_where_there_can_be_no_proof_it_says_why(api: Api, members: dict[str, Any], said: str) -> None:
    changed(api, **members)
    found = verify(api, VIEW)
    assert (found.exit_code, "QUALITY_CHECK_FAILED" in found.stderr) == (1, False)
    assert found.stdout.startswith(f"unverified  {VIEW}")
    assert said in " ".join(found.stdout.split())


def test_a_former_definition_is_not_proved(api: Api) -> None:
    _, listed = api.answers["/v1/views"]
    for one in listed["views"]:
        one["former"] = "a former definition answers: rebuild it"
    found = verify(api, VIEW)
    assert (found.exit_code, "a former definition answers: rebuild it" in found.stdout) == (1, True)


def test_a_bronze_that_is_behind_is_waited_for_and_named(api: Api, live: dict[str, dict[str, Any]]) -> None:
    first, *rest = live[VIEW]["partitions"]
    changed(api, partitions=[{**first, "checkpoint_offset": 99_999}, *rest])
    found = verify(api, VIEW, "--timeout", "0.1")
    assert found.exit_code == 1
    assert f"events.raw-0 is at {first['checkpoint_offset']:,} of 99,999" in " ".join(found.stdout.split())


def test_ranges_that_are_gone_are_named(api: Api, tmp_path: Path) -> None:
    for first in (tmp_path / "bronze/_commits/events.raw/0").glob("*0.json"):
        if int(first.stem) == 0:
            first.unlink()
    found = verify(api, "ops_payout_backlog")
    assert found.exit_code == 1
    assert "Bronze does not have events.raw-0 offsets 0 to " in " ".join(found.stdout.split())


def test_groups_beyond_the_limit_are_compared_in_total(api: Api, live: dict[str, dict[str, Any]]) -> None:
    rows = live[VIEW]["rows"]
    totals: dict[str, dict[str, Any]] = {}
    for row in rows:
        total = totals.setdefault(row["currency"], {"currency": row["currency"]})
        for name in ("charges_minor", "payouts_minor", "refunds_minor", "fees_minor"):
            total[name] = total.get(name, 0) + row[name]
    for total in totals.values():
        other = total["payouts_minor"] + total["refunds_minor"] + total["fees_minor"]
        total["variance_minor"] = total["charges_minor"] - other
        total["abs_variance_minor"] = abs(total["variance_minor"])
        total["variance_ratio"] = total["abs_variance_minor"] / total["charges_minor"]
    changed(api, rows=[{**row, "city": "_other"} if row["city"] else row for row in rows])
    asked = f"/v1/views/{VIEW}"
    others = api.answers[asked]
    api.answers_by_query = {(asked, "group_by"): (200, {**others[1], "rows": [*totals.values()]})}
    found = verify(api, VIEW, "--json")
    assert found.exit_code == 0, found.output
    verdict = json.loads(found.stdout)
    assert (verdict["state"], verdict["group_by"], verdict["rows"]) == ("equal", ["currency"], len(totals))
    said = "some groups are summed as _other (SLUICE_MAX_GROUPS): totals were compared"
    assert said in verdict["notes"]
    assert (asked, [("window", "1h"), ("group_by", "currency")]) in api.asked


def test_what_cannot_be_asked_is_wrong_usage(api: Api) -> None:
    unknown = verify(api, "kpi_gmw")
    assert (unknown.exit_code, "did you mean kpi_gmv?" in unknown.stderr) == (2, True)
    api.answers[f"/v1/views/{VIEW}"] = (400, {"detail": "window: must be a number of s, m, h or d"})
    refused = verify(api, VIEW, "--window", "1y")
    assert (refused.exit_code, "window: must be a number" in refused.stderr) == (2, True)


def test_an_object_that_is_not_what_was_committed_fails(api: Api, tmp_path: Path) -> None:
    damaged = next((tmp_path / "bronze").glob("event=charge.succeeded/**/*.gz"))
    damaged.write_bytes(b"")
    found = verify(api, VIEW)
    assert found.exit_code == 1
    assert "is not what was committed" in found.stderr


def test_each_view_is_a_line_of_tsv(api: Api) -> None:
    changed(api, "trust_idv", scoped=True)
    found = verify(api, "all", "--tsv")
    assert found.exit_code == 1
    names, *lines = [line.split("\t") for line in found.stdout.splitlines()]
    assert names == ["view", "state", "rows", "records", "differences", "notes"]
    states = {line[0]: line[1] for line in lines}
    assert states == {name: "unverified" if name == "trust_idv" else "equal" for name in VIEWS}
    (unverified,) = [line for line in lines if line[0] == "trust_idv"]
    assert unverified[2:5] == ["", "0", "0"]
    assert unverified[5].startswith("the api answers for some cities alone")


MOST = 2**53 - 1
LONG_CITY = "llanfair" * 8
PLACE = {"topic": "events.raw", "watermark": "2026-03-01T12:00:00Z", "first_offset": 0}
SAID: dict[str, Any] = {
    "as_of": "2026-03-01T12:00:00Z", "from": "2026-03-01T11:00:00Z", "to": "2026-03-01T12:00:00Z",
    "since": None, "rows": [], "incomplete_because": ["events.raw-3: no worker has reported on it for 10 s"],
    "partitions": [{**PLACE, "partition": number, "checkpoint_offset": MOST - number} for number in range(8)],
}  # fmt: skip


def test_pages(golden: Golden) -> None:
    view = VIEWS[VIEW]
    answer = Answer.of(view, SAID)
    wrong = [
        Difference({"city": "london", "currency": "GBP"}, "charges_minor", 1066668454, 1066668453),
        Difference({"city": None, "currency": "JPY"}, "rows", 2, 1),
        Difference({"city": LONG_CITY, "currency": "EUR"}, "variance_ratio", 0.0227, None),
        Difference({"city": LONG_CITY, "currency": "EUR"}, "abs_variance_minor", MOST, None),
    ]
    note = [f"the answer says that it is incomplete: {why}" for why in answer.because]
    verdicts = {
        "equal": Verdict(view, answer, State.EQUAL, 123_456, notes=note),
        "different": Verdict(view, answer, State.DIFFERENT, 123_456, wrong, note),
        "unverified": Verdict(view, None, notes=["the api answers for some cities alone"]),
    }
    for name, verdict in verdicts.items():
        golden.holds(f"verify_{name}", every_screen(partial(verdict_page, verdict)))
