"""`--watch`: one answer after the other, drawn in place on a terminal, printed in a pipe.

A terminal shows the newest answer on its alternate screen, which never scrolls: as many rows as it has room
for, and how many there are below. It is drawn anew when the terminal's size changes. However the watch ends
(Ctrl-C, SIGTERM, an error), the terminal has its former screen and its cursor back, and Ctrl-Z gives them to
the shell meanwhile. In a pipe, on a dumb terminal, and in JSON or TSV, each answer that differs is printed
whole.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, NoReturn, TypeVar

from streams import shutdown
from streams.cli.common import Failure, say
from streams.cli.page import Page, echo_page, prose
from streams.cli.screen import Screen, can_draw, screen_of

T = TypeVar("T")

LOOK_SECONDS = 0.1
"""How often is looked whether the terminal has another size."""
ENTER = "\x1b[?1049h\x1b[?25l"
LEAVE = "\x1b[?25h\x1b[?1049l"
FROM_THE_TOP = "\x1b[H\x1b[J"
LOCAL_MODES = 3
"""Where `termios` has them."""


class PassingError(Failure):
    """There is no answer just now, and may be one later. Of the first answer it is a failure like any."""


@dataclass(frozen=True)
class Watched(Generic[T]):
    """What is watched.

    `ask` raises `PassingError` while the former answer is to stay, and anything else to end the watch. `page`
    shows an answer on a screen. `counts`: what makes an answer another one, without what only grows with the
    clock. `write` prints an answer for a program, in place of a page.
    """

    ask: Callable[[], T]
    page: Callable[[T, Screen], Page]
    counts: Callable[[T], object]
    write: Callable[[T], None] | None = None


def watch(watched: Watched[T], seconds: float) -> None:
    """Ask every so many seconds, until Ctrl-C or SIGTERM or until nobody reads any more."""
    answer = watched.ask()  # what cannot be asked at all is said at once
    try:
        shutdown.interrupt_on_signals()
        if watched.write is None and can_draw(sys.stdout):
            _draw(watched, answer, seconds)
        _print(watched, answer, seconds)
    except KeyboardInterrupt:
        pass  # the way to end it
    except BrokenPipeError:  # such as `| head`: whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end


def _print(watched: Watched[T], answer: T, seconds: float) -> NoReturn:
    shown: object = None
    away = ""
    while True:
        if not away and watched.counts(answer) != shown:
            if watched.write is None:
                page = watched.page(answer, screen_of())
                echo_page(page._replace(below=[*page.below, ""]))
            else:
                watched.write(answer)
            sys.stdout.flush()
            shown = watched.counts(answer)
        time.sleep(seconds)
        former, away = away, ""
        try:
            answer = watched.ask()
        except PassingError as error:
            away = error.message
            if away != former:
                say(f"sluice: {away}", err=True)


def _draw(watched: Watched[T], answer: T, seconds: float) -> NoReturn:
    away = ""
    screen = _AlternateScreen()
    try:
        screen.enter()
        while True:
            screen.show_until(time.monotonic() + seconds, partial(_page, watched, answer, away))
            try:
                answer, away = watched.ask(), ""
            except PassingError as error:
                away = error.message
    finally:
        for number in (*shutdown.SIGNALS, signal.SIGTSTP, signal.SIGTTOU):
            signal.signal(number, signal.SIG_IGN)  # nothing must come in between
        screen.leave()


def _page(watched: Watched[T], answer: T, away: str, screen: Screen) -> Page:
    page = watched.page(answer, screen)
    return page._replace(below=[*page.below, "", *prose(away, screen, "bad")]) if away else page


class _AlternateScreen:
    """The terminal's other screen, without a cursor, and without an echo of what somebody types."""

    def __init__(self) -> None:
        self._drawn: Screen | None = None
        self._terminal = sys.stdout.fileno()
        self._modes = termios.tcgetattr(self._terminal)
        if signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL:
            signal.signal(signal.SIGTSTP, self._to_the_shell)

    def enter(self) -> None:
        """Take the terminal."""
        silent = [*self._modes]
        silent[LOCAL_MODES] &= ~termios.ECHO
        termios.tcsetattr(self._terminal, termios.TCSANOW, silent)
        self._write(ENTER)

    def leave(self) -> None:
        """Give it back as it was."""
        self._write(LEAVE)
        termios.tcsetattr(self._terminal, termios.TCSANOW, self._modes)
        termios.tcflush(self._terminal, termios.TCIFLUSH)  # what was typed is for no shell

    def show_until(self, end: float, page: Callable[[Screen], Page]) -> None:
        """Draw a page, and again at each change of the terminal's size, until a moment of the monotonic
        clock."""
        self._drawn = None
        while self._drawn is None or time.monotonic() < end:
            screen = screen_of(at_most=True)
            if screen != self._drawn:
                self._drawn = screen  # before it is drawn, as Ctrl-Z may come in between
                self._write(FROM_THE_TOP + "\n".join(page(screen).fitted(screen)))
            time.sleep(min(LOOK_SECONDS, max(0.0, end - time.monotonic())))

    def _to_the_shell(self, *_: object) -> None:
        """Ctrl-Z."""
        self.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.enter()
        self._drawn = None

    def _write(self, text: str) -> None:
        """Past Python's buffer: a signal's handler writes too."""
        data = text.encode(sys.stdout.encoding, "replace")
        while data:
            data = data[os.write(self._terminal, data) :]
