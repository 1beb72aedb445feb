"""How log lines look: JSON for programs, text for people at a terminal."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from streams import logs
from streams.errors import ErrorCode
from streams.settings import SettingError, Settings


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)


def said(monkeypatch: pytest.MonkeyPatch, form: str, stderr: io.StringIO, **env: str) -> str:
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    logs.configure(Settings.load({"SLUICE_LOG_FORMAT": form}))
    logs.emit(ErrorCode.EVENT_SCHEMA_INVALID, "records were \x1b[2Jquarantined", topic="t\n1", trace_id=None)
    return stderr.getvalue()


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(("form", "stderr"), [
    ("auto", io.StringIO), ("json", io.StringIO), ("json", Terminal),
])  # fmt: skip
def test_programs_get_an_object_a_line(
    monkeypatch: pytest.MonkeyPatch, form: str, stderr: type[io.StringIO]
) -> None:
    line = json.loads(said(monkeypatch, form, stderr()))
    assert (line["level"], line["code"], line["topic"]) == ("WARNING", "EVENT_SCHEMA_INVALID", "t\n1")


@pytest.mark.usefixtures("restored")
def test_people_at_a_terminal_get_a_coloured_line(monkeypatch: pytest.MonkeyPatch) -> None:
    line = said(monkeypatch, "auto", Terminal())
    assert "\x1b[33mWARNING\x1b[0m streams.errors: records were \\x1b[2Jquarantined [" in line
    assert "code=EVENT_SCHEMA_INVALID severity=warning" in line
    assert line.endswith(" topic=t\\n1]\n")
    assert line.count("\n") == 1


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(("form", "stderr", "env"), [
    ("text", io.StringIO(), {}), ("auto", Terminal(), {"NO_COLOR": "1"}),
])  # fmt: skip
def test_without_a_terminal_or_with_no_color_it_has_no_colours(
    monkeypatch: pytest.MonkeyPatch, form: str, stderr: io.StringIO, env: dict[str, str]
) -> None:
    line = said(monkeypatch, form, stderr, **env)
    assert "\x1b" not in line
    assert "WARNING streams.errors: records were" in line


@pytest.mark.usefixtures("restored")
def test_a_traceback_is_in_either_form(monkeypatch: pytest.MonkeyPatch) -> None:
    for form in ("json", "text"):
        stderr = io.StringIO()
        said(monkeypatch, form, stderr)
        logging.getLogger("streams.x").error("it failed", exc_info=ValueError("why"))
        assert "ValueError: why" in stderr.getvalue()


def test_another_form_is_refused() -> None:
    with pytest.raises(SettingError, match=r"SLUICE_LOG_FORMAT='xml' is not allowed.*auto or json or text"):
        Settings.load({"SLUICE_LOG_FORMAT": "xml"})
