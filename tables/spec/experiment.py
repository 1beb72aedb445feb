"""Experiment views: a metric of users, by the variant of a product that each was shown first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tables.spec.fields import EventTypes, Kind, holds, is_nullable, payload_fields
from tables.spec.measures import Known, Measure, Unit
from tables.spec.view import View
from tables.spec.windowed import Term, written


@dataclass(frozen=True)
class Exposure:
    """The event by which a user meets a variant, and its payload fields.

    `covariate`: a number that was known of the user before, or null. The raw topics have the events of a user
    on one partition: those of the exposure and of the metric.
    """

    event: str = "experiment.exposure"
    experiment: str = "exp_key"
    variant: str = "variant"
    user: str = "user_id"
    covariate: str = "covariate"

    @property
    def fields(self) -> tuple[str, str, str, str]:
        """All of them."""
        return self.user, self.experiment, self.variant, self.covariate


@dataclass(frozen=True)
class UserMetric:
    """What counts of a user: the sum of the terms `of`; a ratio, if it is over the sum of the terms `per`.

    An amount of money is of one currency: a term says which by its `where`.
    """

    of: tuple[Term, ...]
    per: tuple[Term, ...] = ()

    @property
    def terms(self) -> tuple[Term, ...]:
        """All of them."""
        return self.of + self.per


@dataclass(frozen=True)
class Estimate(Measure):
    """A number of an experiment's variant (tables/experiments/estimates.py)."""

    unit: Unit = Unit.NUMBER

    @property
    def json_type(self) -> str:  # type: ignore[override]
        """Whole numbers are integers."""
        return "integer" if self.unit is Unit.COUNT else "number"

    @property
    def nullable(self) -> bool:
        """All but whole numbers may be null: of too few users, or without another variant."""
        return self.unit is not Unit.COUNT


ESTIMATES = (
    Estimate("users", "Users whose first exposure was to this variant", Unit.COUNT),
    Estimate("y_sum", "The metric, summed: what a user did at or after the first exposure", Unit.COUNT),
    Estimate("mean_y", "y_sum ÷ users; of a ratio, y_sum ÷ what it is over"),
    Estimate("var_y", "Sample variance of a user's metric; of a ratio, by the delta method"),
    Estimate("theta", "cov(x, y) ÷ var(x) over all users of the experiment with a covariate"),
    Estimate("mean_cuped", "Mean of y − theta·(x − mean(x)), and of y where there is no covariate"),
    Estimate("var_cuped", "Sample variance of the same"),
    Estimate("variance_reduction", "1 − var_cuped ÷ var_y", Unit.RATIO),
    Estimate("diff", "mean_cuped minus that of `control`, or else of the first variant by name"),
    Estimate("diff_low", "Lower end of its 95 % interval, for one look at a time fixed before"),
    Estimate("diff_high", "Upper end of its 95 % interval, for one look at a time fixed before"),
    Estimate("always_valid_low", "Lower end of its 95 % interval that may be watched all along"),
    Estimate("always_valid_high", "Upper end of its 95 % interval that may be watched all along"),
    Estimate("crossovers", "Users of this variant who were seen in another one too", Unit.COUNT),
    Estimate("srm_p", "p-value of equal shares of users: below 0.001 the split is broken", Unit.RATIO),
)
"""The measures of every experiment view."""


@dataclass(frozen=True)
class Experiment(View):
    """A metric of users by experiment and variant, with what it says of their difference. No window bounds
    it: an experiment ends when its newest exposure is older than the hour panes.
    """

    metric: UserMetric = field(kw_only=True)
    exposure: Exposure = field(default=Exposure(), kw_only=True)

    kind = "experiment"

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The dimensions alone: users are in no city."""
        return self.dimensions

    @cached_property
    def events(self) -> frozenset[str]:
        """Names of the events that can change this view."""
        return frozenset({self.exposure.event, *(term.event for term in self.metric.terms)})

    def computed(self) -> list[Any]:
        """What workers compute, for the hash."""
        exposure = [self.exposure.event, *self.exposure.fields]
        return [exposure, written(self.metric.of), written(self.metric.per)]

    def problems(self, events: EventTypes) -> Iterator[str]:
        """What contradicts itself, and what to do."""
        exposure = self.exposure
        if self.dimensions != (exposure.experiment, exposure.variant):
            yield f"its dimensions are not {exposure.experiment} and {exposure.variant}: name these two"
        if self.measures != ESTIMATES:
            yield "its measures are not those of an experiment: give it ESTIMATES"
        if exposure.event in {term.event for term in self.metric.terms}:
            yield f"its metric counts the exposure {exposure.event}: count what users do after it"
        if not self.metric.of:
            yield "its metric counts nothing: name a term"
        yield from self._missing(exposure.event, exposure.fields, events)
        known = Known(frozenset(), (), (), (exposure.user,), events)
        for term in self.metric.terms:
            yield from term.problems(known, whole=True)

    def _missing(self, event: str, names: tuple[str, ...], events: EventTypes) -> Iterator[str]:
        if event not in events:
            yield f"there is no event {event} in the catalogue: declare it there, or correct the name"
            return
        known = events[event]
        fields = payload_fields(known)
        if missing := [name for name in names if name not in fields]:
            yield f"event {event} has no field {', '.join(missing)}: take one of {', '.join(fields)}"
            return
        *texts, covariate = names
        for name in texts:
            if holds(known, name) is not Kind.TEXT or is_nullable(known, name):
                yield f"field {name} of {event} is not always a text: take one that is"
        if holds(known, covariate) not in (Kind.NUMBER, Kind.WHOLE):
            yield f"field {covariate} of {event} is no number: take one that is, or null"
