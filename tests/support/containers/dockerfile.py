"""A Dockerfile and a .dockerignore, read as Docker reads what ours have of them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction: `COPY --from=build /a /b` has the options {"from": "build"} and the text `/a /b`."""

    keyword: str
    options: Mapping[str, str]
    text: str

    def words(self, variables: Mapping[str, str]) -> list[str]:
        """The text's words, variables put in."""
        return shlex.split(substituted(self.text, variables))

    def command(self) -> list[str]:
        """A command in its JSON form, the only one that starts no shell, which would not pass SIGTERM on."""
        found: list[str] = json.loads(self.text)
        return found


@dataclass
class Stage:
    """A stage: the image it begins with, its name, and what is done."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)


def instructions(text: str) -> Iterator[Instruction]:
    """Instructions in order; comments and line ends within one are left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        keyword, _, rest = line.strip().partition(" ")
        options = {}
        while option := re.match(r"--([\w-]+)=(\S+)\s+", rest.lstrip()):
            options[option[1]] = option[2]
            rest = rest.lstrip()[option.end() :]
        yield Instruction(keyword.upper(), options, rest.strip())


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile. `ARG` before the first is known to all `FROM`."""
    found: list[Stage] = []
    arguments: dict[str, str] = {}
    for one in instructions(text):
        if one.keyword == "FROM":
            base, *named = one.words(arguments)
            found.append(Stage(base, named[-1] if named else ""))
        elif found:
            found[-1].instructions.append(one)
        else:
            name, _, value = one.words({})[0].partition("=")
            arguments[name] = value
    return found


def substituted(text: str, variables: Mapping[str, str]) -> str:
    """`$NAME` and `${NAME}` replaced; of a name that nobody has set, an error."""
    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", lambda found: variables[found[1] or found[2]], text)


class Context:
    """The folder that a build may copy from: what its .dockerignore leaves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        lines = (folder / ".dockerignore").read_text("utf-8").split()
        self._rules = [(not line.startswith("!"), _pattern(line.lstrip("!"))) for line in lines]

    def files(self, source: str) -> list[Path]:
        """The files of a folder, or the one file, as paths in the context. Raises `FileNotFoundError`."""
        path = self.folder / source
        there = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
        kept = [one.relative_to(self.folder) for one in there]
        kept = [one for one in kept if not self._ignored(one.as_posix())]
        if not kept or not path.exists():
            raise FileNotFoundError(f"COPY {source}: is not there, or left out by .dockerignore")
        return kept

    def _ignored(self, path: str) -> bool:
        """The last rule that is of the path, or of a folder above it, counts."""
        above = [path, *(parent.as_posix() for parent in Path(path).parents)]
        ignored = False
        for ignores, pattern in self._rules:
            if any(pattern.fullmatch(one) for one in above):
                ignored = ignores
        return ignored


def _pattern(rule: str) -> re.Pattern[str]:
    parts = (re.escape(rule)).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
    return re.compile(parts)
