"""`sluice settings`."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from click.testing import CliRunner

from streams.cli.main import main
from streams.settings import Settings


def test_every_setting_is_listed_with_its_value_and_default() -> None:
    done = CliRunner().invoke(
        main, ["settings", "--json"], env={"SLUICE_KAFKA": "a:1,b:2", "SLUICE_STREAM_SECONDS": "0.5"}
    )
    listed = {setting["variable"]: setting for setting in json.loads(done.output)}
    assert len(listed) == len(fields(Settings))
    assert (listed["SLUICE_KAFKA"]["value"], listed["SLUICE_KAFKA"]["default"]) == (
        "a:1,b:2",
        "127.0.0.1:9092",
    )
    assert listed["SLUICE_STREAM_SECONDS"]["value"] == "0.5"
    assert all(setting["doc"] and setting["allowed"] for setting in listed.values())


def test_of_a_password_only_the_file_is_shown(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2")
    for option in ([], ["--json"]):
        done = CliRunner().invoke(
            main, ["settings", *option], env={"SLUICE_KAFKA_PASSWORD_FILE": str(secret)}
        )
        assert str(secret) in done.output
        assert "hunter2" not in done.output
