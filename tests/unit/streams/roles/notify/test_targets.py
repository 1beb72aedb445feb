"""SLUICE_NOTIFY_FILE: what is wrong in it is told by target and field, without a word of a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.access.kept_file import KeptFileError
from streams.roles.notify.targets import PAGERDUTY_URL, read_targets
from tests.support.alarms import KEY, SECRET, alarm

GOOD = 'name = "ops"\nkind = "slack"\nurl = "https://hooks.slack.com/services/T/B/hunter2"\n'
PAGER = 'name = "pager"\nkind = "pagerduty"\nrouting_key_file = "pager.key"\n'
HOOK = 'name = "hook"\nkind = "generic"\nurl = "https://example.com/hook"\nsecret_file = "hook.secret"\n'


def written(folder: Path, *targets: str) -> Path:
    (folder / "pager.key").write_text(KEY + "\n")
    (folder / "hook.secret").write_text(SECRET + "\n")
    file = folder / "notify.toml"
    file.write_text("".join(f"[[target]]\n{target}" for target in targets))
    return file


def test_what_a_file_declares(tmp_path: Path) -> None:
    file = written(
        tmp_path, GOOD + 'severities = ["critical"]\nsubjects = ["recon/*"]\nremind_hours = 0.5\n', PAGER,
        HOOK + 'cities = ["oslo", "london"]\n',
    )  # fmt: skip
    ops, pager, hook = read_targets(file)
    assert (ops.remind_ms, ops.severities, ops.scope) == (1_800_000, ("critical",), None)
    assert (pager.url(), pager.secret(), pager.remind_ms) == (PAGERDUTY_URL, KEY, 0)
    assert hook.secret() == b"secret-of-twenty-four-bytes!"
    assert hook.scope == frozenset({"oslo", "london"})


@pytest.mark.parametrize(("target", "subject", "severity", "takes"), [
    (GOOD, "events.raw-0", "warning", True),
    (GOOD + 'severities = ["critical"]\n', "events.raw-0", "warning", False),
    (GOOD + 'subjects = ["recon/*"]\n', "events.raw-0", "critical", False),
    (GOOD + 'subjects = ["events.*", "recon/*"]\n', "recon/|GBP", "critical", True),
    (GOOD + 'cities = ["london"]\n', "recon/london|GBP", "critical", True),
    (GOOD + 'cities = ["london"]\n', "recon/oslo|NOK", "critical", False),
    (GOOD + 'cities = ["london"]\n', "recon/|GBP", "critical", False),
    (GOOD + 'cities = ["london"]\n', "events.raw-0", "critical", False),
])  # fmt: skip
def test_what_a_target_takes(tmp_path: Path, target: str, subject: str, severity: str, takes: bool) -> None:
    (found,) = read_targets(written(tmp_path, target))
    assert found.takes(alarm("a", subject=subject, severity=severity)) is takes


WRONG = {
    "": "must have one or more [[target]]",
    "name = ": "is no TOML",
    'name = "A"\nkind = "slack"\n': "target 1: name must be",
    'kind = "slack"\n': "target 1: name must be",
    'name = "a"\nkind = "teams"\n': "target a: kind must be slack, pagerduty or generic",
    'name = "a"\nkind = "slack"\n': "target a: url or url_file is needed",
    GOOD + 'url_file = "x"\n': "target ops: url or url_file is needed, and one of them alone",
    GOOD + 'colour = "red"\n': "target ops: colour is no field of a target of kind slack",
    GOOD + 'routing_key_file = "pager.key"\n': "target ops: routing_key_file is no field",
    GOOD + 'severities = ["fatal"]\n': "severities must be a list, and each of it critical or warning",
    GOOD + "severities = []\n": "target ops: severities must be",
    GOOD + 'subjects = "recon/*"\n': "target ops: subjects must be a list",
    GOOD + 'cities = ["London"]\n': "target ops: cities must be",
    GOOD + "remind_hours = -1\n": "target ops: remind_hours must be a number",
    GOOD + "remind_hours = true\n": "target ops: remind_hours must be a number",
    PAGER + "remind_hours = 1\n": "target pager: remind_hours is no field",
    'name = "a"\nkind = "slack"\nurl = "http://example.com/hunter2"\n': "target a: url must be https://",
    'name = "a"\nkind = "slack"\nurl = "https://u:hunter2@example.com/"\n': "target a: url must be https://",
    'name = "a"\nkind = "slack"\nurl_file = "gone"\n': "target a: url_file is wrong",
    'name = "a"\nkind = "slack"\nurl_file = "hook.secret"\n': "target a: url_file is wrong",
    'name = "a"\nkind = "pagerduty"\nrouting_key_file = "hook.secret"\n': "routing_key_file is wrong",
    'name = "a"\nkind = "pagerduty"\n': "target a: routing_key_file must be a file's path",
    HOOK.replace("hook.secret", "pager.key"): "target hook: secret_file is wrong",
}  # fmt: skip


@pytest.mark.parametrize(("target", "told"), WRONG.items(), ids=range(len(WRONG)))
def test_a_wrong_file_is_refused_by_field(tmp_path: Path, target: str, told: str) -> None:
    file = written(tmp_path, *([target] if target else []))
    with pytest.raises(KeptFileError) as refused:
        read_targets(file)
    said = str(refused.value)
    assert said.startswith(str(file))
    assert told in said
    for secret in ("hunter2", KEY, SECRET.removeprefix("whsec_")):
        assert secret not in said


def test_names_are_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(KeptFileError, match="target ops: name is that of another target"):
        read_targets(written(tmp_path, GOOD, GOOD))


def test_there_are_not_too_many(tmp_path: Path) -> None:
    with pytest.raises(KeptFileError, match="has 21 targets: there may be 20"):
        read_targets(written(tmp_path, *[GOOD] * 21))


def test_a_secret_is_read_again_when_its_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.access.kept_file.LOOK_SECONDS", 0.0)
    (pager,) = read_targets(written(tmp_path, PAGER))
    (tmp_path / "pager.key").write_text("N3W" + KEY)
    assert pager.secret() == "N3W" + KEY
