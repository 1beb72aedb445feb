"""The sums of an experiment view, as a reader has them: by experiment and source partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tables.experiments.moments import Moments
from tables.experiments.records import decode_experiment


class ExperimentSums:
    """All experiments of a view. `kept_us`: how far behind the newest event hour panes are kept."""

    def __init__(self, kept_us: int) -> None:
        self._kept_us = kept_us
        self._shares: dict[str, dict[int, tuple[int, dict[str, Moments]]]] = {}

    def put_many(self, source: int, records: Iterable[tuple[str, bytes | None]]) -> None:
        """What a source partition has of some experiments now; None: nothing any more. Raises
        `FeedFormatError`."""
        for experiment, value in records:
            self._put(source, experiment, value)

    def _put(self, source: int, experiment: str, value: bytes | None) -> None:
        shares = self._shares.setdefault(experiment, {})
        if value is not None:
            _, newest_us, variants = decode_experiment(value)
            shares[source] = newest_us, variants
        else:
            shares.pop(source, None)
            if not shares:
                del self._shares[experiment]

    def names(self) -> set[tuple[str, str]]:
        """The experiments and variants that there are."""
        return {
            (experiment, variant)
            for experiment, shares in self._shares.items()
            for _, variants in shares.values()
            for variant in variants
        }

    def lasting(self, newest_us: int | None) -> Iterator[tuple[str, dict[str, Moments]]]:
        """The experiments that have not ended when the newest event is of `newest_us`, with their sums by
        variant over all sources."""
        for experiment, shares in self._shares.items():
            last_us = max(at for at, _ in shares.values())
            if newest_us is not None and last_us < newest_us - self._kept_us:
                continue
            merged: dict[str, Moments] = {}
            for _, variants in shares.values():
                for variant, sums in variants.items():
                    merged.setdefault(variant, Moments()).merge(sums)
            if merged:
                yield experiment, merged
