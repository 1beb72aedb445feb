"""`sluice views` against an api that answers what the test says."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from streams.cli.main import main
from streams.cli.views_table import LEAST_NEEDED
from tables.views import OWN
from tests.support.api import ANSWER, PARTITIONS, VIEWS, Api, answering


@pytest.fixture
def api() -> Iterator[Api]:
    with answering() as api:
        yield api


def ask(api: Api, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["views", *arguments, "--api", api.url])


def test_a_view_is_a_table_to_read(api: Api) -> None:
    lines = ask(api, "kpi_gmv").output.splitlines()
    assert lines[0].startswith("kpi_gmv  as of 2026-11-23 07:04:05 UTC · from 2026-11-22 07:04:00")
    assert lines[0].endswith("fresh to 0.3 s · complete: yes")
    assert [line.split() for line in lines[2:]] == [
        ["city", "currency", "bookings", "gmv", "take", "rate"],
        ["-", "JPY", "3", "1,234,567", "-"],
        ["london", "GBP", "19,960", "10,666,684.54", "2.27%"],
    ]


def test_what_is_asked_reaches_the_api(api: Api) -> None:
    options = ["--window", "7d", "--as-of", "watermark", "--step", "5m", "--group-by", "city,currency"]
    filters = ["--filter", "city=london", "--filter", "city=", "--filter", "currency=GBP"]
    assert ask(api, "kpi_gmv", *options, *filters).exit_code == 0
    assert sorted(api.asked[0][1]) == sorted([
        ("window", "7d"), ("as_of", "watermark"), ("step", "5m"), ("group_by", "city,currency"),
        ("city", "london"), ("city", ""), ("currency", "GBP"),
    ])  # fmt: skip
    ask(api, "kpi_gmv", "--from", "2026-01-01T00:00:00+01:00", "--to", "2026-02-01T00:00:00Z")
    assert api.asked[1][1] == [("from", "2026-01-01T00:00:00+01:00"), ("to", "2026-02-01T00:00:00Z")]


def test_an_incomplete_answer_names_what_lags(api: Api) -> None:
    api.answers["/v1/views/kpi_gmv"] = (200, {**ANSWER, "complete": False, "partitions": PARTITIONS})
    lines = ask(api, "kpi_gmv").output.splitlines()
    assert lines[0].endswith("complete: NO")
    assert lines[1:3] == [
        "  events.raw-2: no worker reports on it",
        "  events.raw-1: 1,234 records behind",
    ]


def test_no_rows_is_said(api: Api) -> None:
    api.answers["/v1/views/kpi_gmv"] = (200, {**ANSWER, "rows": []})
    assert ask(api, "kpi_gmv").output.endswith("no rows\n")


def test_json_is_the_apis_answer(api: Api) -> None:
    assert json.loads(ask(api, "kpi_gmv", "--json").output) == ANSWER
    assert json.loads(ask(api, "--json").output) == VIEWS


def test_tsv_has_the_rows_and_says_the_rest_on_standard_error(api: Api) -> None:
    done = ask(api, "kpi_gmv", "--tsv")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "city\tcurrency\tbookings\tgmv_minor\ttake_rate",
        "\tJPY\t3\t1234567\t",
        "london\tGBP\t19960\t1066668454\t0.0227",
    ]
    caveats = {"complete": False, "partitions": PARTITIONS, "warnings": ["no such city: londn"]}
    api.answers["/v1/views/kpi_gmv"] = (200, {**ANSWER, **caveats, "rows": [], "cursor": "abc"})
    api.answers_by_query["/v1/views/kpi_gmv", "format"] = (200, "city,currency,as_of,complete\r\n")
    done = ask(api, "kpi_gmv", "--tsv")
    assert (done.exit_code, done.stdout) == (0, "city\tcurrency\n")
    assert done.stderr.splitlines() == [
        "sluice: incomplete: events.raw-2: no worker reports on it",
        "sluice: incomplete: events.raw-1: 1,234 records behind",
        "sluice: no such city: londn",
        "sluice: more: --cursor abc",
    ]


def test_what_may_be_left_out_are_some_of_the_views_measures() -> None:
    for name, measures in LEAST_NEEDED.items():
        assert set(measures) < {measure.name for measure in OWN[name].measures}, name
        assert len(set(measures)) == len(measures), name


def test_without_a_name_the_views_are_listed(api: Api) -> None:
    assert ask(api).output.split() == [
        "view",
        "kind",
        "dimensions",
        "description",
        "kpi_gmv",
        "windowed",
        "city",
        "GMV",
    ]


def test_entities_are_asked_for_on_their_own_route(api: Api) -> None:
    entity = {"payout_id": "po-1", "city": "london", "state": "open", "amount_minor": 5, "currency": "GBP"}
    answer = {
        **ANSWER,
        "view": "ops_payout_backlog",
        "from": None,
        "to": None,
        "rows": [entity],
        "cursor": "abc",
    }
    api.answers["/v1/views/ops_payout_backlog/entities"] = (200, answer)
    done = ask(api, "ops_payout_backlog", "--entities", "--state", "open", "--limit", "5")
    assert api.asked[0][1] == [("state", "open"), ("limit", "5")]
    assert "po-1" in done.output
    assert "0.05" in done.output
    assert "--cursor abc" in done.output


def test_an_unknown_view_lists_those_there_are(api: Api) -> None:
    done = ask(api, "x")
    assert done.exit_code == 2
    assert done.output == "sluice: there is no view 'x'; there are: a, b\n"


@pytest.mark.parametrize("option", [["--filter", "london"], ["--state", "open"], ["--limit", "0"]])
def test_wrong_options_are_wrong_usage(api: Api, option: list[str]) -> None:
    assert ask(api, "kpi_gmv", *option).exit_code == 2
    assert api.asked == []


def test_an_api_that_fails_or_is_away_is_one_line_and_exit_code_1(api: Api) -> None:
    api.answers["/v1/views/kpi_gmv"] = (500, {"detail": "no"})
    done = ask(api, "kpi_gmv")
    assert (done.exit_code, done.output) == (1, f"sluice: the api at {api.url} answered 500: no\n")
    done = CliRunner().invoke(main, ["views", "--api", "http://127.0.0.1:1"])
    assert done.exit_code == 1
    assert done.output.startswith("sluice: the api at http://127.0.0.1:1 does not answer (")
    assert done.output.count("\n") == 1
    assert CliRunner().invoke(main, ["views", "--api", "ftp://x"]).exit_code == 1


def test_the_default_address_follows_the_settings(api: Api) -> None:
    environment = {"SLUICE_HTTP_HOST": "0.0.0.0", "SLUICE_HTTP_PORT": api.url.rpartition(":")[2]}
    assert CliRunner().invoke(main, ["views"], env=environment).exit_code == 0


def test_a_count_and_an_amount_have_headings_of_their_own(api: Api) -> None:
    row = {"city": "ulm", "currency": "GBP", "open": 1, "open_minor": 5, "backlog": 2, "backlog_minor": 7,
           "oldest_seconds": 3, "gmv_minor": 9}  # fmt: skip
    api.answers["/v1/views/kpi_gmv"] = (200, {**ANSWER, "rows": [row]})
    heading = ask(api, "kpi_gmv").output.splitlines()[2]
    assert [" ".join(name.split()) for name in heading.split("  ") if name.strip()] == [
        "city", "currency", "open", "open amount", "backlog", "backlog amount", "oldest", "gmv",
    ]  # fmt: skip


def test_an_incomplete_answer_says_which_partitions_and_why(api: Api) -> None:
    behind = {**PARTITIONS[1], "incomplete_because": "a record has been unread for over 60 s"}
    lost = {
        **PARTITIONS[0],
        "incomplete_because": "records were lost: Kafka deleted the offsets 3 to 4 unread",
    }
    because = [f"events.raw-{p['partition']}: {p['incomplete_because']}" for p in (lost, behind)]
    answer = {**ANSWER, "complete": False, "partitions": [lost, behind], "incomplete_because": because,
              "warnings": ["no such city: londn; did you mean london?"]}  # fmt: skip
    api.answers["/v1/views/kpi_gmv"] = (200, answer)
    assert ask(api, "kpi_gmv").output.splitlines()[1:4] == [
        "  events.raw-0: records were lost: Kafka deleted the offsets 3 to 4 unread",
        "  events.raw-1: a record has been unread for over 60 s (1,234 records behind)",
        "  no such city: londn; did you mean london?",
    ]


def test_tsv_without_rows_is_the_line_of_names(api: Api) -> None:
    api.answers["/v1/views/kpi_gmv"] = (200, {**ANSWER, "rows": []})
    heading = "t,city,currency,gmv_minor,as_of,complete\r\n"
    api.answers_by_query["/v1/views/kpi_gmv", "format"] = (200, heading)
    command = ["views", "kpi_gmv", "--step", "1h", "--tsv", "--api", api.url]
    done = CliRunner().invoke(main, command)
    assert (done.exit_code, done.stdout) == (0, "t\tcity\tcurrency\tgmv_minor\n")
    assert api.asked[-1] == ("/v1/views/kpi_gmv", [("step", "1h"), ("format", "csv")])
