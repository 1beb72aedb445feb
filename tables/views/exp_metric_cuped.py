"""Experiments on how many check-outs a user begins (docs/contract.md §3)."""

from __future__ import annotations

from tables.spec.experiment import ESTIMATES, Experiment, UserMetric
from tables.spec.tile import Tile, TileKind
from tables.spec.windowed import Term

EXP_METRIC_CUPED = Experiment(
    name="exp_metric_cuped",
    description="Experiments, variant by variant: check-outs that users begin, adjusted by CUPED.",
    dimensions=("exp_key", "variant"),
    measures=ESTIMATES,
    metric=UserMetric((Term("checkout.start"),)),
    tiles=(Tile("Experiments", "Check-outs a user, by variant", TileKind.INTERVALS),),
)
