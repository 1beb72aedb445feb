"""S3 servers for tests: moto's, and Versity's gateway where Go is there to build it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

import boto3
from botocore.config import Config

from tests.support.patience import PATIENCE
from tests.support.versity import gateway

BUCKET = "bronze"
KEY, SECRET, REGION = "tester", "tester-secret", "us-east-1"
START_SECONDS = 60.0
KILLED_SECONDS = 30.0 * PATIENCE


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


class S3Server:
    """A server of `kind` (moto or versity) with a bucket, on a port of its own that it keeps."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._secret = SECRET
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The usual AWS_ variables for this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
        }

    def __enter__(self) -> Self:
        self.start()
        self.make_bucket()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers."""
        if self.kind == "moto":
            code = "from moto.server import main; main()"
            argv = [sys.executable, "-W", "ignore", "-c", code, "-H", "127.0.0.1", "-p", str(self.port)]
        else:
            (self._folder / "data").mkdir(parents=True, exist_ok=True)
            argv = [
                str(gateway.program),
                "--port",
                f"127.0.0.1:{self.port}",
                "posix",
                str(self._folder / "data"),
            ]
        environ = {**os.environ, "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": self._secret}
        self._process = subprocess.Popen(
            argv, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS * PATIENCE
        while not self._answers():
            assert self._process.poll() is None, f"{self.kind} ended with {self._process.returncode}"
            assert time.monotonic() < deadline, f"{self.kind} does not answer"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=1.0).close()
        except urllib.error.HTTPError as error:
            error.close()
            return True
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(KILLED_SECONDS)
            self._process = None

    def go_away(self) -> None:
        """Answer nothing any more, and keep what there is. Moto has it in memory: it is only stopped."""
        assert self._process is not None
        if self.kind == "moto":
            self._process.send_signal(signal.SIGSTOP)
        else:
            self.stop()

    def come_back(self) -> None:
        """Answer again."""
        if self._process is None:
            self.start()
        else:
            self._process.send_signal(signal.SIGCONT)

    def change_secret(self, secret: str | None) -> None:
        """Take another secret than the one that clients have; None: theirs again. Versity's alone."""
        self.stop()
        self._secret = secret or SECRET
        self.start()

    def make_bucket(self) -> None:
        client = boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
            region_name=REGION, config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip
        client.create_bucket(Bucket=BUCKET)
        client.close()
