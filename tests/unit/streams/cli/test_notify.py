"""`sluice notify --check` and `--test`: who is told, and whether it arrives, before it is relied on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.cli.main import main
from tests.support.receiver import TAKEN, Answer, Receiver


def asked(file: Path | None, *arguments: str) -> Result:
    return CliRunner().invoke(
        main, ["notify", *arguments], env={"SLUICE_NOTIFY_FILE": None if file is None else str(file)}
    )


def written(folder: Path, **urls: str) -> Path:
    file = folder / "notify.toml"
    file.write_text(
        "".join(f'[[target]]\nname = "{name}"\nkind = "slack"\nurl = "{url}"\n' for name, url in urls.items())
    )
    return file


def test_a_check_says_who_is_told_of_what_without_a_secret(tmp_path: Path) -> None:
    file = written(tmp_path, ops="https://hooks.slack.com/services/hunter2")
    result = asked(file, "--check")
    told = "ops (slack): critical, warning about *, of all cities and the pipeline\n"
    assert (result.exit_code, result.output) == (0, told)
    (target,) = json.loads(asked(file, "--check", "--json").output)["targets"]
    assert target["severities"] == ["critical", "warning"]
    assert "hunter2" not in str(target)


def test_a_test_says_who_could_not_be_told(tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.plan = lambda path, _: Answer(404) if path == "/bad/hunter2" else TAKEN
        file = written(tmp_path, ops=receiver.url("/good"), bad=receiver.url("/bad/hunter2"))
        result = asked(file, "--test")
        texts = [one.document["text"] for one in receiver.taken("/good")]
    assert result.exit_code == 1
    assert "ops (slack): it has taken the test\nbad (slack): it answers 404\n" in result.output
    assert "hunter2" not in result.output
    assert [text.split("*")[2].split()[0] for text in texts] == ["raised", "cleared"]
    assert "nothing to do" in texts[0]


@pytest.mark.parametrize("arguments", [("--check",), ("--test",), ()])
def test_nothing_starts_without_a_file_or_with_a_wrong_one(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    without = asked(None, *arguments)
    assert (without.exit_code, "SLUICE_NOTIFY_FILE='' is not allowed" in without.output) == (2, True)
    wrong = asked(written(tmp_path, ops="http://example.com/hunter2"), *arguments)
    assert wrong.exit_code == 2
    assert "target ops: url must be https://" in wrong.output
    assert "hunter2" not in wrong.output
