"""What gates are held against."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from streams.setting_groups.declared import setting
from streams.setting_groups.rules import exact, file, whole


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """What gates are held against (docs/gates.md)."""

    gates_file: Path | None = setting(  # noqa: RUF009
        "",
        file(),
        "TOML with the limits of gates, by name and measure, and recon's settlement by city; empty: recon"
        " alone, by the settings below",
    )
    recon_window_hours: int = setting(
        "24", whole(1, 1000000), "window over which the recon gate compares charges and payouts, in hours"
    )
    recon_warn: Decimal = setting(  # noqa: RUF009
        "0.02", exact("0", "1000000"), "variance_ratio above which a gate warns"
    )
    recon_alarm: Decimal = setting(  # noqa: RUF009
        "0.05", exact("0", "1000000"), "variance_ratio above which a gate closes"
    )
    recon_min_minor: int = setting(
        "10000",
        whole(0, 2**53 - 1),
        "while both sides are under it, in minor units, a gate holds its state",
    )
    recon_settlement_hours: int = setting(
        "0", whole(0, 1000000), "how long payouts come after their charges, in hours"
    )
    gate_raise: int = setting("3", whole(1, 10000), "evaluations in a row that a worse state needs")
    gate_clear: int = setting("10", whole(1, 10000), "evaluations in a row that a better state needs")
    gate_clear_at: Decimal = setting(  # noqa: RUF009
        "0.8", exact("0", "1"), "share of a limit above which a gate does not get better yet"
    )
    gate_hold_seconds: int = setting(
        "60", whole(0, 86400), "how long a gate warns or is in alarm before it gets better, in seconds"
    )
