"""`make setup` takes packages from where pip is told to: uv reads none of pip's settings by itself."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

SCRIPT = ROOT / "deploy" / "dev" / "pip_settings.py"


def exported(tmp_path: Path, config: str, **environ: str) -> dict[str, str]:
    """What the script tells the shell, with this pip.conf and these variables."""
    file = tmp_path / "pip.conf"
    file.write_text(config, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    for name in ("SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        clean.pop(name, None)
    done = subprocess.run(
        [sys.executable, SCRIPT], env={**clean, "PIP_CONFIG_FILE": str(file), **environ},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found = {}
    for line in done.stdout.splitlines():
        word, setting = shlex.split(line)
        assert word == "export"
        name, _, value = setting.partition("=")
        found[name] = value
    return found


def test_pips_index_is_uvs_too(tmp_path: Path) -> None:
    config = (
        "[global]\nindex-url = https://user:it's@mirror.example/simple\n"
        "trusted-host = a.example\n  b.example\n"
        f"find-links = {tmp_path} /no/such/folder\ntimeout = 33.5\ncert = /etc/ca.pem\n"
        "[install]\nextra-index-url = https://more.example/simple https://most.example/simple\n"
    )
    found = exported(tmp_path, config)
    assert found["UV_DEFAULT_INDEX"] == "https://user:it's@mirror.example/simple"
    assert found["UV_INDEX"] == "https://more.example/simple https://most.example/simple"
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert found["UV_INSECURE_HOST"] == "a.example b.example"
    assert found["UV_FIND_LINKS"] == str(tmp_path)
    assert (found["UV_HTTP_TIMEOUT"], found["SSL_CERT_FILE"]) == ("33", "/etc/ca.pem")


def test_the_environment_wins_and_what_is_said_to_uv_itself_stays(tmp_path: Path) -> None:
    config = "[global]\nindex-url = https://one.example/simple\n"
    url = "https://two.example/simple"
    assert exported(tmp_path, config, PIP_INDEX_URL=url)["UV_DEFAULT_INDEX"] == url
    assert "UV_DEFAULT_INDEX" not in exported(tmp_path, config, UV_DEFAULT_INDEX="https://three.example")
    assert exported(tmp_path, "", PIP_NO_INDEX="true")["UV_NO_INDEX"] == "1"
