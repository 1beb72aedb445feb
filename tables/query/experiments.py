"""The rows of experiment views: an experiment's variants, compared with each other."""

from __future__ import annotations

from tables.codec import Group
from tables.experiments.estimates import Estimates, estimates
from tables.query.params import ViewQuery
from tables.read.experiment_sums import ExperimentSums


def experiment_rows(sums: ExperimentSums, query: ViewQuery, newest_us: int | None) -> dict[Group, Estimates]:
    """What is kept for the measures, by experiment and variant. All of an experiment's variants are compared,
    whichever are asked for."""
    asked = [query.filters.get(name) for name in query.group_by]
    found: dict[Group, Estimates] = {}
    for experiment, variants in sums.lasting(newest_us):
        if asked[0] is not None and experiment not in asked[0]:
            continue
        for variant, estimated in estimates(variants).items():
            if asked[1] is None or variant in asked[1]:
                moments = variants[variant]
                whole = {"users": moments.users, "y_sum": moments.y, "crossovers": moments.crossed}
                found[experiment, variant] = {**whole, **estimated}
    return found
