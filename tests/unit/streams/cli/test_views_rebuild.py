"""`sluice views rebuild`: what is said before Kafka is asked, and `sluice views` beside it."""

from __future__ import annotations

from click.testing import CliRunner

from streams.cli.main import main
from tests.support.api import answering

NOWHERE = {"SLUICE_KAFKA": "127.0.0.1:1"}


def said(*arguments: str, **environ: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["views", "rebuild", *arguments], env={**NOWHERE, **environ})
    return done.exit_code, done.output


def test_a_view_that_there_is_not_is_wrong_usage() -> None:
    code, text = said("kpi_gmw")
    assert code == 2
    assert "there is no view kpi_gmw; did you mean kpi_gmv?" in text
    assert said("kpi_gmv", SLUICE_VIEWS="kpi_funnel")[0] == 2
    assert said()[0] == 2
    assert said("kpi_gmv", "--from", "yesterday")[0] == 2


def test_without_kafka_it_says_so_until_it_fails() -> None:
    code, text = said("kpi_gmv", "--timeout", "0.5")
    assert code == 1
    *tries, end = text.splitlines()
    assert all(line.startswith("sluice: Kafka at 127.0.0.1:1 does not answer") for line in [*tries, end])
    assert "next try in" not in end


def test_any_other_first_argument_is_a_view() -> None:
    with answering() as api:
        CliRunner().invoke(main, ["views", "rebuilt", "--api", api.url])
    assert [path for path, _ in api.asked] == ["/v1/views/rebuilt"]
    done = CliRunner().invoke(main, ["views", "kpi_gmv", "rebuild"])
    assert done.exit_code == 2


def test_the_list_says_which_views_a_former_definition_answers() -> None:
    why = "a former definition of kpi_gmv answers: `sluice views rebuild kpi_gmv` fills in the new one"
    with answering() as api:
        listed = api.answers["/v1/views"][1]["views"]
        api.answers["/v1/views"] = 200, {"views": [{**listed[0], "former": why}]}
        done = CliRunner().invoke(main, ["views", "--api", api.url])
    assert why in done.output
