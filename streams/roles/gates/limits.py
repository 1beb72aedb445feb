"""Which gates are on, and what they are held against: SLUICE_GATES_FILE, and recon's own settings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from schemas.times import SECOND_US
from streams.setting_groups.rules import ALL
from streams.settings import SettingError, Settings
from streams.text_file import TextFileError, small_text
from tables.gates.declared import GATES, RECON
from tables.gates.figures import AnswerReader, FiguresReader, Key
from tables.gates.reasons import Words
from tables.gates.rule import Limits, Rule
from tables.gates.running_sums import Settlement, SumsReader, Window, adds_up
from tables.query.values import did_you_mean
from tables.spec.gate import Gate, Worse
from tables.views import VIEWS

FILE = "SLUICE_GATES_FILE"
MOST = 2**53 - 1


class GateOn(NamedTuple):
    """A gate that is on. `gate`: with the watched measures that have limits alone, to which `limits` belong;
    `settlement`: each gate's hours, `most_settlement` the most of them."""

    gate: Gate
    limits: tuple[Limits, ...]
    minimum: int
    window_hours: int
    settlement: Settlement
    most_settlement: int

    def rule(self, settings: Settings) -> Rule:
        """How it is judged."""
        return Rule.of(
            self.limits,
            minimum=self.minimum,
            clear_at=Fraction(settings.gate_clear_at),
            raise_after=settings.gate_raise,
            clear_after=settings.gate_clear,
            hold_us=settings.gate_hold_seconds * SECOND_US,
        )

    def words(self) -> tuple[Words, ...]:
        """How its measures are spoken of."""
        units = {measure.name: measure.unit for measure in VIEWS[self.gate.view].measures}
        return tuple(Words(watch, units[watch.measure]) for watch in self.gate.watches)

    def reader(self) -> FiguresReader:
        """What reads its figures."""
        view = VIEWS[self.gate.view]
        if adds_up(self.gate, view):
            return SumsReader(self.gate, view, Window(self.window_hours, self.settlement))
        return AnswerReader(self.gate, view, self.window_hours)


def gates_on(settings: Settings) -> list[GateOn]:
    """The gates with limits. Raises `SettingError`, which names the setting, or the file's section."""
    sections = _sections(settings.gates_file)
    for name in sections:
        if name not in GATES:
            raise _wrong(settings, f"[{name}]: there is no such gate{did_you_mean(name, GATES)}")
    found = []
    for gate in GATES.values():
        on = _on(settings, gate, sections.get(gate.name, {}))
        if on is not None:
            _check_views(settings, gate)
            _check_window(settings, on)
            found.append(on)
    return found


def check_gates(settings: Settings) -> None:
    """Whether a process of the gates role can run with these settings; the other roles need not ask. Raises
    `SettingError`."""
    gates_on(settings)


def _on(settings: Settings, gate: Gate, section: Mapping[str, Any]) -> GateOn | None:
    """The gate by its section of the file; None while it has no limit."""
    if not isinstance(section, dict):
        raise _wrong(settings, f"{gate.name}: must be a section, [{gate.name}]")
    own, window, minimum, hours = _defaults(settings, gate)
    read = _Section(settings, gate, section)
    read.check_names()
    limits = {**own, **read.limits()}
    on = tuple(watch for watch in gate.watches if watch.measure in limits)
    if not on:
        return None
    settlement, most = read.settlement(hours)
    return GateOn(
        replace(gate, watches=on),
        tuple(limits[watch.measure] for watch in on),
        read.whole("minimum", minimum, 0),
        read.whole("window_hours", window, 1),
        settlement,
        most,
    )


def _defaults(settings: Settings, gate: Gate) -> tuple[dict[str, Limits], int, int, int]:
    """Limits, window, minimum and settlement of a gate of which the file says nothing."""
    if gate.name != RECON.name:
        return {}, gate.window_hours, gate.minimum, 0
    limits = Limits(Fraction(settings.recon_warn), Fraction(settings.recon_alarm))
    return (
        {RECON.watches[0].measure: limits},
        settings.recon_window_hours,
        settings.recon_min_minor,
        settings.recon_settlement_hours,
    )


class _Section:
    """One gate's section of the file."""

    def __init__(self, settings: Settings, gate: Gate, section: Mapping[str, Any]) -> None:
        self._settings = settings
        self._gate = gate
        self._section = section

    def check_names(self) -> None:
        known = ["window_hours", "minimum", *(watch.measure for watch in self._gate.watches)]
        if self._gate.settled:
            known += ["settlement_hours", "settlement"]
        for name in self._section:
            if name not in known:
                raise self._wrong(name, f"is none of {', '.join(known)}{did_you_mean(name, known)}")

    def limits(self) -> dict[str, Limits]:
        found = {}
        for watch in self._gate.watches:
            given = self._section.get(watch.measure)
            if given is None:
                continue
            if not isinstance(given, dict) or not given or given.keys() - {"warn", "alarm"}:
                raise self._wrong(watch.measure, "must be { warn = …, alarm = … }, or one of them")
            warn, alarm = (self._limit(watch.measure, given, name) for name in ("warn", "alarm"))
            below = watch.worse is Worse.BELOW
            if warn is not None and alarm is not None and (alarm > warn if below else warn > alarm):
                raise self._wrong(
                    watch.measure, f"it is worse {watch.worse} a limit: warn comes before alarm"
                )
            found[watch.measure] = Limits(warn, alarm, below)
        return found

    def whole(self, name: str, default: int, least: int) -> int:
        return self._whole(name, self._section.get(name, default), least)

    def settlement(self, default: int) -> tuple[Settlement, int]:
        """Hours by a gate's key, the first entry that fits, and the most of them."""
        general = self.whole("settlement_hours", default, 0)
        entries = self._section.get("settlement", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise self._wrong("settlement", f"must be entries, [[{self._gate.name}.settlement]]")
        rules = [self._entry(number, entry) for number, entry in enumerate(entries, 1)]

        def of(key: Key) -> int:
            values = dict(zip(self._gate.key, key, strict=True))
            for wanted, hours in rules:
                if all(values[name] == value for name, value in wanted.items()):
                    return hours
            return general

        return of, max(general, *(hours for _, hours in rules), 0)

    def _entry(self, number: int, entry: Mapping[str, Any]) -> tuple[dict[str, str], int]:
        where = f"settlement {number}"
        wanted = {name: value for name, value in entry.items() if name != "hours"}
        for name, value in wanted.items():
            if name not in self._gate.key or not isinstance(value, str):
                raise self._wrong(
                    where, f"{name}: must be hours, or a text for {' or '.join(self._gate.key)}"
                )
        if not wanted or "hours" not in entry:
            raise self._wrong(where, f"needs hours, and {' or '.join(self._gate.key)}")
        return wanted, self._whole(f"{where}: hours", entry["hours"], 0)

    def _whole(self, name: str, value: object, least: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MOST:
            raise self._wrong(name, f"must be a whole number from {least}")
        return value

    def _limit(self, measure: str, given: Mapping[str, Any], name: str) -> Fraction | None:
        value = given.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            fits = False
        else:
            fits = Decimal(value).is_finite() and 0 <= value <= MOST
        if not fits:
            raise self._wrong(f"{measure}.{name}", "must be a number from 0, such as 0.05")
        return Fraction(value)

    def _wrong(self, name: str, what: str) -> SettingError:
        return _wrong(self._settings, f"[{self._gate.name}] {name}: {what}")


def _sections(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(small_text(path), parse_float=Decimal)
    except TextFileError as error:
        raise SettingError(FILE, str(path), str(error)) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingError(FILE, str(path), f"TOML ({error})") from None


def _wrong(settings: Settings, what: str) -> SettingError:
    return SettingError(FILE, str(settings.gates_file), f"as docs/gates.md has it: {what}")


def _check_views(settings: Settings, gate: Gate) -> None:
    if settings.views != ALL and gate.view not in settings.views:
        allowed = f"all, or with {gate.view} among them: the gate {gate.name} is evaluated from it"
        raise SettingError("SLUICE_VIEWS", ",".join(settings.views), allowed)


def _check_window(settings: Settings, on: GateOn) -> None:
    """The window has to lie within what is kept."""
    if on.window_hours + on.most_settlement <= settings.pane_hours:
        return
    if on.gate.name == RECON.name and settings.gates_file is None:
        allowed = f"with SLUICE_RECON_SETTLEMENT_HOURS at most SLUICE_PANE_HOURS ({settings.pane_hours})"
        raise SettingError("SLUICE_RECON_WINDOW_HOURS", str(settings.recon_window_hours), allowed)
    more = " with settlement" if on.most_settlement else ""
    what = f"[{on.gate.name}] window_hours{more}: at most SLUICE_PANE_HOURS ({settings.pane_hours})"
    raise _wrong(settings, what)
