"""What commands show, as it was looked at and found good: tests/golden, a file a command.

The files have all that reaches a terminal, colours too: `cat` shows them as a terminal shows the command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.paths import TESTS

FOLDER = TESTS / "golden"


@dataclass(frozen=True)
class Golden:
    """`anew`: the files are written, to be looked at, instead of compared."""

    anew: bool

    def holds(self, name: str, shown: Mapping[str, str]) -> None:
        """What was shown, by where (`80 columns`), is as in the file `name`."""
        text = "".join(f"=== {where} ===\n{said}" for where, said in shown.items())
        file = FOLDER / f"{name}.txt"
        if self.anew:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert file.exists(), f"there is no {file.name}: `make gold`, and look at it"
        assert text == file.read_text(encoding="utf-8"), f"{file.name}: if it is right, `make gold`"
