"""A real schema registry for tests: Apicurio, fetched once a machine from Maven Central."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.s3 import free_port

NAME = "apicurio-registry-app-3.0.9"
ADDRESS = f"https://repo1.maven.org/maven2/io/apicurio/apicurio-registry-app/3.0.9/{NAME}-all.tar.gz"
SHA256 = "2b28181501a20cbf6efcd77f9b7153908fc01f3d3a7c32024c0bd9e1b04c8a43"
JAR = f"{NAME}-runner.jar"
PIECE_BYTES = 1 << 20
FETCH_SECONDS = 60.0
FETCH_TRIES = 3
START_SECONDS = 180.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1


def program() -> Path:
    """The folder with the registry's jar; it is fetched by the first test that asks. Outside of the
    repository: it outlives `make clean`. Not by Maven: a parent of its POM is not on Maven Central."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice"
    folder = caches / NAME
    caches.mkdir(parents=True, exist_ok=True)
    with (caches / f"{NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes ask at the same time
        if not (folder / JAR).exists():
            with tempfile.TemporaryDirectory(dir=caches) as begun:
                packed = _fetched(Path(begun) / "packed")
                with tarfile.open(packed) as tar:
                    tar.extractall(Path(begun) / NAME, filter="data")
                shutil.rmtree(folder, ignore_errors=True)
                (Path(begun) / NAME).rename(folder)
    return folder


def _fetched(path: Path) -> Path:
    """The packed registry at `path`; what is not what it should be is an error."""
    for left in reversed(range(FETCH_TRIES)):
        digest = hashlib.sha256()
        try:
            with urllib.request.urlopen(ADDRESS, timeout=FETCH_SECONDS) as answer, path.open("wb") as file:
                while piece := answer.read(PIECE_BYTES):
                    digest.update(piece)
                    file.write(piece)
        except OSError:
            if not left:
                raise
            continue
        if digest.hexdigest() == SHA256:
            return path
    raise RuntimeError(f"{ADDRESS} is not what it was")


class Registry:
    """Apicurio in memory, with a port of its own that it keeps. What is in it ends with it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"
        self._log = folder / "registry.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it answers."""
        there = program()
        command = [
            "java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Dquarkus.http.port={self.port}", "-Dquarkus.http.host=127.0.0.1",
            "-Dapicurio.storage.kind=sql", "-jar", str(there / JAR),
        ]  # fmt: skip
        with self._log.open("ab") as said:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"the registry did not start:\n{self._log.read_text('utf-8')[-2000:]}")
            time.sleep(POLL_SECONDS)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        """Ends it; all that was registered is gone."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
        self._process = None

    def pause(self) -> None:
        """It stands still: it takes connections, and answers nothing."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """It answers again."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def register(self, subject: str, schema: Any, kind: str = "AVRO", references: Any = ()) -> int:
        """Its id. `schema`: as an object, or the text of one that is none."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        body = {"schema": text, "schemaType": kind, "references": list(references)}
        answer = self.ask("POST", f"/subjects/{subject}/versions", body)
        number: int = answer["id"]
        return number

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A request of its own API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from None
