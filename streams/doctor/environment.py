"""Settings: those that do not go together, and variables that are none."""

from __future__ import annotations

from schemas.extensions import extensions
from streams.doctor.finding import GOOD, WRONG, Finding, Patient
from streams.roles.gates.limits import check_gates
from streams.settings import SettingError, unknown_variables


async def settings_together(patient: Patient) -> list[Finding]:
    """The gates' view and window against what is computed and kept, where gates are run.

    What is not allowed at all has ended the command.
    """
    try:
        if "gates" not in patient.without:
            check_gates(patient.settings)
    except SettingError as error:
        mend = "until then `sluice worker gates` and `all` refuse to run; `--without gates` if you run none"
        return [Finding("settings", WRONG, str(error), mend)]
    return [Finding("settings", GOOD, "all are allowed")]


async def extensions_loaded(_: Patient) -> list[Finding]:
    """The extensions that this command has loaded: workers and apis are to have the same."""
    return [
        Finding("extension", GOOD, f"{one.package} {one.version}: all processes are to have it so")
        for one in extensions()
    ]


async def variables(_: Patient) -> list[Finding]:
    """Variables that look like settings: a slip of the pen leaves the default in force, without a word."""
    return [
        Finding(f"variable {name}", WRONG, f"is no setting{hint}", "unset it; `sluice settings` lists all")
        for name, hint in unknown_variables()
    ]
