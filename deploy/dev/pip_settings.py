# ruff: noqa: INP001, T201
"""Prints pip's settings as the environment variables that uv reads for the same things, for a shell's `eval`.

pip is configured by PIP_ variables and pip.conf; uv reads neither. What is set for uv itself is left alone.
"""

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path

LISTED = subprocess.run(
    [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True, timeout=60
).stdout

# By section, the later one counts: a file's [global], its [install], then the environment.
ORDER = ("global", "install", ":env:")
found: dict[str, str] = {}
for section in ORDER:
    for line in LISTED.splitlines():
        name, _, value = line.partition("=")
        of, _, key = name.rpartition(".")
        if of == section:
            found[key.replace("_", "-").lower()] = str(ast.literal_eval(value))


def words(key: str) -> list[str]:
    """A setting that is a list."""
    return found.get(key, "").split()


links = [link for link in words("find-links") if "://" in link or Path(link).is_dir()]
wanted = {
    "UV_DEFAULT_INDEX": found.get("index-url", ""),
    "UV_INDEX": " ".join(words("extra-index-url")),
    # pip takes the best of all indexes. Every file is held against the hash in the lock.
    "UV_INDEX_STRATEGY": "unsafe-best-match" if words("extra-index-url") else "",
    "UV_FIND_LINKS": ",".join(links),
    "UV_NO_INDEX": "1" if found.get("no-index", "").lower() in {"1", "true", "yes", "on"} else "",
    "UV_INSECURE_HOST": " ".join(words("trusted-host")),
    "UV_HTTP_TIMEOUT": found.get("timeout", found.get("default-timeout", "")).partition(".")[0],
    "SSL_CERT_FILE": found.get("cert", ""),
    "HTTPS_PROXY": found.get("proxy", ""),
    "HTTP_PROXY": found.get("proxy", ""),
}
for name, value in wanted.items():
    if value and not os.environ.get(name) and not os.environ.get(name.lower()):
        print(f"export {name}={shlex.quote(value)}")
