"""Real terminals (ptys) for commands, and pyte, which plays the one that people look at."""

from __future__ import annotations

import os
import pty
import select
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, Self
from unittest.mock import patch

import pyte
from click.testing import CliRunner

from streams.cli.main import main
from streams.cli.page import Page
from streams.cli.screen import PIPE, Screen
from tests.support.patience import PATIENCE

COLUMNS = (80, 120, 200)
PLAIN: dict[str, str | None] = {
    "TERM": "xterm-256color", "NO_COLOR": None, "COLUMNS": None, "LINES": None,
}  # fmt: skip
"""The variables of an ordinary terminal."""


def every_way(arguments: Sequence[str], **environ: str) -> dict[str, str]:
    """What `sluice ARGUMENTS` shows, by where it is shown."""
    shown = {f"{columns} columns": on_terminal(arguments, columns, **environ) for columns in COLUMNS}
    shown["80 columns, NO_COLOR=1"] = on_terminal(arguments, 80, NO_COLOR="1", **environ)
    for where, more in (("a pipe", ()), ("--tsv", ("--tsv",))):
        shown[where] = in_pipe([*arguments, *more], **environ)
    assert on_terminal([*arguments, "--tsv"], 80, **environ) == shown["--tsv"], "also on a terminal"
    return shown


def every_screen(page: Callable[[Screen], Page]) -> dict[str, str]:
    """The same of a page."""
    screens = {f"{columns} columns": Screen(columns, colour=True) for columns in COLUMNS}
    screens |= {"80 columns, NO_COLOR=1": Screen(80), "a pipe": PIPE}
    return {where: "\n".join([*page(screen).lines(), ""]) for where, screen in screens.items()}


def in_pipe(arguments: Sequence[str], **environ: str) -> str:
    """What a command of this process writes to a pipe."""
    done = CliRunner().invoke(main, arguments, env=PLAIN | environ)
    assert done.exit_code == 0, done.output
    return done.stdout


def on_terminal(arguments: Sequence[str], columns: int, **environ: str) -> str:
    """What a command of this process writes to a terminal of so many columns."""
    with _variables(PLAIN | environ), Terminal(columns, 24) as terminal:
        looking = threading.Thread(target=terminal.to_the_end)
        looking.start()
        with os.fdopen(os.dup(terminal.end), "w", encoding="utf-8") as out, redirect_stdout(out):
            main(arguments, prog_name="sluice", standalone_mode=False)
        terminal.let_go()
        looking.join()
    return terminal.said.decode().replace("\r\n", "\n")


def cells_of(line: str) -> int:
    """How many columns a terminal gives to a line."""
    seen = pyte.Screen(len(line) * 2 + 1, 1)
    pyte.Stream(seen).feed(line)
    return int(seen.cursor.x)


class Terminal:
    """A terminal that people look at: programs write to its `end`, and `seen` is what it shows."""

    def __init__(self, columns: int, lines: int) -> None:
        self._screen, self.end = pty.openpty()
        self.seen = pyte.HistoryScreen(columns, lines)
        self._stream = pyte.ByteStream(self.seen)
        self.said = b""
        self.resize(columns, lines)

    @property
    def rows(self) -> list[str]:
        """Its lines of now."""
        return [row.rstrip() for row in self.seen.display]

    @property
    def modes(self) -> list[Any]:
        """Those of its line discipline: whether it echoes what is typed, and the like."""
        return termios.tcgetattr(self._screen)

    @property
    def scrolled(self) -> int:
        """How many lines have left it at the top."""
        return len(self.seen.history.top)

    def resize(self, columns: int, lines: int) -> None:
        """Somebody drags its corner."""
        self.seen.resize(lines, columns)
        termios.tcsetwinsize(self._screen, (lines, columns))

    def type(self, keys: bytes) -> None:
        """Somebody types."""
        os.write(self._screen, keys)

    def until(self, condition: Callable[[], bool]) -> None:
        """Look at it until something is so."""
        deadline = time.monotonic() + 20 * PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "\n".join(self.rows)
            if select.select([self._screen], [], [], 0.05)[0]:
                self._read()

    def let_go(self) -> None:
        """Leave its end to the programs that have it."""
        if self.end >= 0:
            os.close(self.end)
            self.end = -1

    def to_the_end(self) -> None:
        """Look at it until no program writes to it any more; this process has let go of it."""
        with suppress(OSError):
            while self._read():
                pass

    def _read(self) -> bytes:
        more = os.read(self._screen, 65536)
        self.said += more
        self._stream.feed(more)
        return more

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
        os.close(self._screen)


@contextmanager
def _variables(environ: Mapping[str, str | None]) -> Iterator[None]:
    with patch.dict(os.environ, {name: value for name, value in environ.items() if value is not None}):
        for name, value in environ.items():
            if value is None:
                os.environ.pop(name, None)
        yield
