"""`sluice` commands as processes of their own, whose Python has loaded what most of them load."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.patience import PATIENCE

SECONDS = 60.0
LOADED = [
    "streams.cli.main", "streams.doctor.examine", "streams.restore.job", "streams.rebuild.job",
    "streams.sources.quarantine_replay", "streams.verify.run", "streams.kafka.topics", "duckdb",
]  # fmt: skip


class Warm:
    """Forks a command from a process that has loaded these modules and run nothing."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(LOADED)

    def run(
        self, arguments: Sequence[str], environ: Mapping[str, str], folder: Path, said: Path
    ) -> tuple[int | None, str]:
        """The exit code of a command, and what it said; it is to take no input."""
        given = (list(arguments), dict(environ), str(folder), str(said))
        process = self._context.Process(target=_command, args=given)
        process.start()
        process.join(SECONDS * PATIENCE)
        if process.is_alive():
            process.kill()
            process.join(SECONDS)
        code = process.exitcode
        process.close()
        return code, said.read_text("utf-8", errors="replace") if said.exists() else ""


def _command(arguments: list[str], environ: dict[str, str], folder: str, said: str) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    written = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(written, number)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8") for number in (1, 2))  # noqa: SIM115, PTH123
    from streams.cli.main import main

    main(arguments, prog_name="sluice")
