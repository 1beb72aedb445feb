"""From sums to a row: derived measures, computed after summing, in the order in which a view lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tables.spec.views import Absolute, Difference, Measure, Oldest, Ratio

Number = int | float | None
MICROS = 1_000_000


def finish(measures: Sequence[Measure], sums: Mapping[str, int | None], as_of_us: int) -> dict[str, Number]:
    """All measures of a row. `sums`: what is added up, by name; of an Oldest the earliest time, in µs.

    Integers stay exact. A ratio is the correctly rounded float, null where its denominator is 0.
    """
    row: dict[str, Number] = {}
    for measure in measures:
        match measure:
            case Difference(plus=plus, minus=minus):
                row[measure.name] = _difference(_total(row, plus), _total(row, minus))
            case Absolute(of=of):
                value = row[of]
                row[measure.name] = None if value is None else abs(value)
            case Ratio(over=over, under=under):
                row[measure.name] = _ratio(_total(row, over), _total(row, under))
            case Oldest():
                row[measure.name] = _age(sums[measure.name], as_of_us)
            case _:
                row[measure.name] = sums[measure.name]
    return row


def _total(row: Mapping[str, Number], names: Sequence[str]) -> Number:
    total: Number = 0
    for name in names:
        value = row[name]
        if value is None or total is None:
            return None
        total += value
    return total


def _difference(plus: Number, minus: Number) -> Number:
    return None if plus is None or minus is None else plus - minus


def _ratio(over: Number, under: Number) -> Number:
    return over / under if over is not None and under else None


def _age(earliest_us: int | None, as_of_us: int) -> Number:
    # Whole seconds as an int, so that an age reads the same in every JSON writer.
    if earliest_us is None:
        return None
    seconds, rest = divmod(as_of_us - earliest_us, MICROS)
    return seconds + rest / MICROS if rest else seconds
