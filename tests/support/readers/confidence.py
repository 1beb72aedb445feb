"""The difference of two variants by spotify-confidence; the readers' Python runs it.

Takes JSON on standard input, the sums of the users: `{variant: {column: sum}}`. Prints `[diff, low, high]`
without the covariate, and with it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

COLUMNS: dict[str, str] = {
    "numerator_column": "y",
    "numerator_sum_squares_column": "yy",
    "denominator_column": "users",
}
FEATURE: dict[str, str] = {
    "feature_column": "x",
    "feature_sum_squares_column": "xx",
    "feature_cross_sum_column": "xy",
}


def main() -> None:
    """See above."""
    import pandas as pd
    from spotify_confidence import ZTest, ZTestLinreg

    sums = json.load(sys.stdin)
    frame = pd.DataFrame([{"variant": variant, **columns} for variant, columns in sums.items()])
    grouped: dict[str, Any] = {"categorical_group_columns": "variant", "interval_size": 0.95}
    tests = [ZTest(frame, **COLUMNS, **grouped), ZTestLinreg(frame, **COLUMNS, **FEATURE, **grouped)]
    found = [test.difference("control", "other").iloc[0] for test in tests]
    json.dump([[row["difference"], row["ci_lower"], row["ci_upper"]] for row in found], sys.stdout)


if __name__ == "__main__":
    main()
