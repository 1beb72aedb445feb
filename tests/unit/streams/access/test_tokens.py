"""Analysts by tokens, and the file that says whose they are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from streams.access.identity import UnauthorizedError
from streams.access.kept_file import KeptFileError
from streams.access.tokens import Tokens, read_tokens
from tests.support.changing_files import change

ANA, BEN = hashlib.sha256(b"ana-token").hexdigest(), hashlib.sha256(b"ben-token").hexdigest()


def asking(authorization: str | None) -> list[tuple[bytes, bytes]]:
    return [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]


def tokens(tmp_path: Path, text: str) -> Tokens:
    (tmp_path / "tokens").write_text(text)
    return Tokens(tmp_path / "tokens")


def test_an_analyst_is_known_by_a_token_and_may_have_several(tmp_path: Path) -> None:
    known = tokens(tmp_path, f"# who\nana@shop.example, {ANA}\nana@shop.example,{BEN.upper()}\n")
    for token in ("ana-token", "ben-token"):
        assert known.identify(asking(f"Bearer {token}"), None).analyst == "ana@shop.example"


@pytest.mark.parametrize(
    "shown",
    [None, "", "Bearer", "Bearer ana-toke", f"Bearer {ANA}", "Basic ana-token", "Bearer é", "Bearer a b"],
)
def test_others_are_not_known_and_what_they_show_is_not_said(tmp_path: Path, shown: str | None) -> None:
    known = tokens(tmp_path, f"ana,{ANA}\n")
    with pytest.raises(UnauthorizedError) as error:
        known.identify(asking(shown), None)
    assert "ana-toke" not in str(error.value)


def test_two_headers_are_none(tmp_path: Path) -> None:
    with pytest.raises(UnauthorizedError):
        tokens(tmp_path, f"ana,{ANA}\n").identify(asking("Bearer ana-token") * 2, None)


def test_a_token_that_is_taken_back_no_longer_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = tokens(tmp_path, f"ana,{ANA}\nben,{BEN}\n")
    ana, ben = (known.identify(asking(f"Bearer {name}-token"), None) for name in ("ana", "ben"))
    change(tmp_path / "tokens", f"ben,{BEN}\n", monkeypatch)
    assert (ana.lasts(), ben.lasts()) == (False, True)
    change(tmp_path / "tokens", f"cleo,{BEN}\n", monkeypatch)
    assert not ben.lasts(), "it is somebody else's now"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ana", "must be analyst,sha256"),
        (f",{ANA}", "must be analyst,sha256"),
        (f"a b,{ANA}", "without blanks"),
        ("ana,secret-token", "SHA-256"),
        (f"ana,{ANA},3", "SHA-256"),
        (f"ben,{BEN}\nana,{ANA}\ncleo,{ANA}", "line 3: ana has this token already"),
        (f"ana,{hashlib.sha256(b'').hexdigest()}", "of nothing"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(KeptFileError, match=said) as error:
        read_tokens(tmp_path / "tokens", line)
    assert "secret-token" not in str(error.value)
