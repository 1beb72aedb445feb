"""The embedded Apache Kafka: one KRaft node (broker and controller) with a folder and a port of its own.

For the demo, the tests and a developer's machine; elsewhere Sluice takes any Kafka, through `SLUICE_KAFKA`.
The folder holds all of it: `server.properties`, `data/`, `kafka.log`, and `kafka.pid` while it runs.
All calls block; from a coroutine use `asyncio.to_thread`.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from streams.embedded.config import (
    HOST,
    free_port,
    is_free,
    new_cluster_id,
    read_ports,
    render_properties,
)

ROOT = Path(__file__).resolve().parents[2]
JARS = ROOT / "deploy" / "kafka" / "target" / "lib"
LOG_CONFIG = ROOT / "deploy" / "kafka" / "log4j2.properties"

START_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05

# A small heap and a simple collector start faster and leave a two-core machine to the work under test.
JVM_OPTIONS = (
    "-Xms256m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
)


class EmbeddedKafkaError(RuntimeError):
    """The embedded Kafka cannot do what was asked; the text says why and how to mend it, in one line."""


class EmbeddedKafka:
    """One broker in `folder`. `port` 0: the folder's former port if that is free, else any free one."""

    def __init__(self, folder: Path, port: int = 0, *, jars: Path = JARS) -> None:
        self.folder = folder.resolve()
        self.port = port
        self._jars = jars
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients; the port is known once the broker was started."""
        return f"{HOST}:{self.port}"

    @property
    def log_file(self) -> Path:
        """What the broker says."""
        return self.folder / "kafka.log"

    def pid(self) -> int | None:
        """The running broker's process id, or None. A stale `kafka.pid` is not taken for a running broker."""
        try:
            lock = os.open(self._pid_file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.read(lock, 32).decode()
            if not text:
                raise self._starting() from None
            return int(text)
        finally:
            os.close(lock)
        return None

    def running_port(self) -> int | None:
        """The port of the broker that runs in the folder, whoever started it; None if none does."""
        ports = read_ports(self._properties_file) if self.pid() is not None else None
        return ports[0] if ports else None

    def start(self) -> bool:
        """Start the broker and return when it answers. False: it was running already.

        Raises `EmbeddedKafkaError`: Java or the jars are missing, the port is in use, or it does not come up.
        """
        if self.pid() is not None:
            self._adopt()
            return False
        java = shutil.which("java")
        if java is None:
            raise EmbeddedKafkaError(
                "Java is missing: install Java 17 or newer (for example openjdk-17-jre-headless)"
            )
        if not any(self._jars.glob("kafka_*.jar")):
            raise EmbeddedKafkaError(
                f"Kafka's jars are not in {self._jars}: run `make setup` in Sluice's folder"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self._take_lock()
        try:
            self._configure()
            self._format(java)
            self._spawn(java, lock)
        finally:
            os.close(lock)
        try:
            self._await_answer()
        except BaseException:
            self.kill()
            raise
        return True

    def wait(self) -> int:
        """Block until the broker that this object started ends; returns its exit code."""
        assert self._child is not None, "wait() is for the object that started the broker"
        return self._child.wait()

    def stop(self) -> bool:
        """Stop it cleanly (SIGTERM, after 20 s SIGKILL). False: it was not running."""
        was_running = self._signal(signal.SIGTERM)
        try:
            self._await(lambda: self.pid() is None, STOP_SECONDS)
        except TimeoutError:
            self.kill()
        self._clear_up()
        return was_running

    def kill(self) -> None:
        """SIGKILL: as if the machine had failed. The folder stays as the broker left it."""
        if self._signal(signal.SIGKILL):
            self._await(lambda: self.pid() is None, STOP_SECONDS)
        self._clear_up()

    @property
    def _pid_file(self) -> Path:
        return self.folder / "kafka.pid"

    @property
    def _properties_file(self) -> Path:
        return self.folder / "server.properties"

    def _take_lock(self) -> int:
        """The locked pid file's descriptor.

        The broker inherits it, so the lock lasts exactly as long as its process: no reused process id can be
        mistaken for a broker, and of two starts at once only one succeeds.
        """
        lock = os.open(self._pid_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = self._pid_file.exists() and os.path.samestat(os.fstat(lock), self._pid_file.stat())
        except BlockingIOError:
            ours = False
        if not ours:  # a start holds it, or a stop removed it between our open and our lock
            os.close(lock)
            raise self._starting()
        os.ftruncate(lock, 0)
        return lock

    def _starting(self) -> EmbeddedKafkaError:
        return EmbeddedKafkaError(f"another process is just starting the Kafka in {self.folder}: try again")

    def _configure(self) -> None:
        former = read_ports(self._properties_file)
        if self.port == 0:
            self.port = former[0] if former and is_free(former[0]) else free_port()
        elif not is_free(self.port):
            raise EmbeddedKafkaError(
                f"port {self.port} is in use: stop what listens there or give another port"
            )
        controller_port = former[1] if former and is_free(former[1]) else free_port(other_than=self.port)
        text = render_properties(self.folder / "data", self.port, controller_port)
        self._properties_file.write_text(text, encoding="utf-8")

    def _format(self, java: str) -> None:
        if (self.folder / "data" / "meta.properties").exists():
            return
        done = subprocess.run(
            self._format_command(java),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise EmbeddedKafkaError(
                f"Kafka could not format {self.folder}: {_last_line(done.stdout + done.stderr)}"
            )

    def _format_command(self, java: str) -> list[str]:
        return [
            *self._java(java, "kafka.tools.StorageTool"), "format", "--standalone", "--ignore-formatted",
            "--cluster-id", new_cluster_id(), "--config", str(self._properties_file),
        ]  # fmt: skip

    def _spawn(self, java: str, lock: int) -> None:
        with self.log_file.open("wb") as log:
            self._child = subprocess.Popen(
                [*self._java(java, "kafka.Kafka"), str(self._properties_file)],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, pass_fds=(lock,),
            )  # fmt: skip
        os.write(lock, str(self._child.pid).encode())

    def _java(self, java: str, main_class: str) -> list[str]:
        options = [*JVM_OPTIONS, f"-Dlog4j2.configurationFile={LOG_CONFIG}"]
        return [java, *options, "-cp", str(self._jars / "*"), main_class]

    def _adopt(self) -> None:
        """Check that the broker that runs in the folder already is the one that was asked for."""
        running = self.running_port()
        if self.port not in (0, running):
            raise EmbeddedKafkaError(
                f"the Kafka in {self.folder} runs on port {running}: stop it first or take another folder"
            )
        self.port = running or 0
        self._await_answer()

    def _await_answer(self) -> None:
        from streams.embedded.probe import probe_cluster_id  # noqa: PLC0415 - aiokafka takes a moment

        def answers() -> bool:
            if self.pid() is None:
                said = _last_line(self.log_file.read_text(encoding="utf-8", errors="replace"))
                raise EmbeddedKafkaError(f"Kafka ended while it started: {said} (see {self.log_file})")
            return probe_cluster_id(HOST, self.port) == self._cluster_id()

        try:
            self._await(answers, START_SECONDS)
        except TimeoutError:
            raise EmbeddedKafkaError(
                f"Kafka does not answer on port {self.port} after {START_SECONDS:g} s (see {self.log_file})"
            ) from None

    def _cluster_id(self) -> str:
        text = (self.folder / "data" / "meta.properties").read_text(encoding="utf-8")
        found = re.search(r"^cluster\.id=(\S+)$", text, re.MULTILINE)
        assert found, "meta.properties names the cluster"
        return found[1]

    def _signal(self, number: signal.Signals) -> bool:
        pid = self.pid()
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def _clear_up(self) -> None:
        """Collect the ended child and remove `kafka.pid`, unless a new start holds it already."""
        if self._child is not None:
            self._child.wait()
            self._child = None
        if self._pid_file.exists():
            try:
                lock = self._take_lock()
            except EmbeddedKafkaError:
                return
            self._pid_file.unlink()
            os.close(lock)

    @staticmethod
    def _await(condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(POLL_SECONDS)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    # Java prints the cause first and its stack below, indented.
    told = [line for line in lines if not line.startswith(("\t", " "))]
    return told[-1].strip() if told else "it said nothing"
