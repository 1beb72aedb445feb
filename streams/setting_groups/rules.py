"""How the text of a setting is read: numbers, names, files, servers; and what is said to be allowed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

ALL = ("all",)
"""Where names are chosen from: no choice."""
INSTALLED = "installed"
"""Among the names of extensions: those of the entry points."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

T = TypeVar("T")
Number = TypeVar("Number", int, float, Decimal)
Rule = tuple[Callable[[str], T], str]
"""How a setting's text is read, with a `ValueError` for what is not allowed; and what is, in words."""


def number(
    kind: Callable[[str], Number], pattern: str, low: Number, high: Number, words: str
) -> Rule[Number]:
    """A number as people write it, between `low` and `high`."""

    def parse(text: str) -> Number:
        found = kind(text) if re.fullmatch(pattern, text) else None  # Python takes _, blanks, other digits
        if found is None or not low <= found <= high:
            raise ValueError
        return found

    return parse, f"{words} from {low} to {high}"


def whole(low: int, high: int) -> Rule[int]:
    """A whole number."""
    return number(int, r"-?[0-9]{1,18}", low, high, "a whole number")


def real(low: float, high: float) -> Rule[float]:
    """A number with a fraction."""
    return number(float, r"[0-9.eE+-]+", low, high, "a number")


def exact(low: str, high: str) -> Rule[Decimal]:
    """A decimal fraction that is kept as it is written, for limits that are compared exactly."""
    pattern = r"[0-9]{1,9}(\.[0-9]{1,18})?"
    return number(Decimal, pattern, Decimal(low), Decimal(high), "a decimal number")


def choice(*allowed: str) -> Rule[str]:
    """One of these words."""
    return matching("|".join(map(re.escape, allowed)), " or ".join(allowed))


def matching(pattern: str, words: str) -> Rule[str]:
    """A text that matches as a whole."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError
        return text

    return parse, words


def names(pattern: str, words: str) -> Rule[tuple[str, ...]]:
    """Names that match, with commas, none twice."""

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(name.strip() for name in text.split(","))
        if len(set(found)) != len(found) or not all(re.fullmatch(pattern, name) for name in found):
            raise ValueError
        return found

    return parse, words


def perhaps(rule: Rule[tuple[str, ...]]) -> Rule[tuple[str, ...]]:
    """The same, or nothing."""
    return lambda text: rule[0](text) if text.strip() else (), rule[1]


def names_or_all(pattern: str, words: str) -> Rule[tuple[str, ...]]:
    """Names, or `ALL`, which nothing stands for, too."""
    parse_names, _ = names(pattern, "")
    return lambda text: parse_names(text) if text.strip() else ALL, words


def pairs(*known: str) -> Rule[tuple[tuple[str, str], ...]]:
    """name=text with commas, the names among the known ones and none twice, or nothing."""

    def parse(text: str) -> tuple[tuple[str, str], ...]:
        found = [part.strip().partition("=") for part in text.split(",")] if text.strip() else []
        named = {name: value for name, _, value in found}
        if len(named) != len(found) or not all(name in known and value for name, value in named.items()):
            raise ValueError
        return tuple(named.items())

    return parse, f"name=text with commas, the names some of {', '.join(known)}, none twice, or empty"


def networks() -> Rule[tuple[Network, ...]]:
    """IP addresses and networks (CIDR) with commas, or nothing."""

    def parse(text: str) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",")) if text.strip() else ()

    return parse, "IP addresses and networks (10.1.0.0/16) with commas, or empty"


def file() -> Rule[Path | None]:
    """A file that is there, or nothing."""

    def parse(text: str) -> Path | None:
        if not text:
            return None
        if not Path(text).is_file():
            raise ValueError
        return Path(text)

    return parse, "a file that exists"


def folder() -> Rule[Path]:
    """A folder that is there or can be made."""

    def parse(text: str) -> Path:
        if not text:
            raise ValueError
        chosen = Path(text).expanduser()
        absolute = chosen.absolute()
        # A link to what is not there is in the way, too: no folder can be made in its place.
        if not next(p for p in (absolute, *absolute.parents) if p.exists() or p.is_symlink()).is_dir():
            raise ValueError
        return chosen

    return parse, "a folder, or a path where one can be made"


def servers() -> Rule[tuple[str, ...]]:
    """host:port, with commas."""
    parse_names, _ = names(r"(?:[\w.-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}", "")

    def parse(text: str) -> tuple[str, ...]:
        found = parse_names(text)
        if not all(1 <= int(server.rpartition(":")[2]) <= 65535 for server in found):
            raise ValueError
        return found

    return parse, "host:port with a port from 1 to 65535, or several with commas"
