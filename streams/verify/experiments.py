"""The estimates of experiments, as docs/contract.md §3 has them: written as SQL from its words alone.

All is computed in doubles, with means and variances that are updated value by value, where the view has exact
fractions: the two agree to some ten digits.

On a partition an experiment whose newest exposure lies twice SLUICE_PANE_HOURS behind the watermark is
forgotten; one of its name that comes later is another one. Not said here, as it depends on when workers
write: that of a user's events of the metric the times of the newest 256 alone are kept.
"""

from __future__ import annotations

import math

from streams.verify.records import Records
from streams.view_sql.members import literal, member, quoted
from streams.view_sql.query import added, where
from tables.spec.experiment import Experiment

Z_95 = 1.959963984540054
"""Of the standard normal distribution: 95 % lie within so many standard errors."""
RHO_2 = (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) / 10_000
"""Makes the interval that may be watched all along narrowest at 10,000 users."""

EXPOSED_AND_ACTS = """
WITH exposures AS (
    SELECT folded.*, {user} AS user_id, {experiment} AS experiment, {variant} AS variant,
           ({covariate})::DOUBLE AS x, max(epoch_us(happened)) OVER (
               PARTITION BY topic, "partition", experiment ORDER BY "offset"
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) < marks.watermark_us - 2 * $kept_us AS anew
    FROM folded JOIN marks USING (topic, "partition", "offset", happened) WHERE event = {exposure}),
lives AS (
    SELECT *, count(*) FILTER (anew) OVER (
        PARTITION BY topic, "partition", experiment ORDER BY "offset") AS life
    FROM exposures),
lasting AS (
    SELECT lives.* FROM lives JOIN spans USING (topic, "partition")
    WINDOW here AS (PARTITION BY topic, "partition", experiment)
    QUALIFY life = max(life) OVER here AND max(epoch_us(happened)) OVER here >= watermark_us - 2 * $kept_us
        AND max(epoch_us(happened)) OVER (PARTITION BY experiment) >= $newest_us - $kept_us),
exposed AS (
    SELECT *, min(variant) OVER of_user <> max(variant) OVER of_user AS crossed
    FROM lasting WINDOW of_user AS (PARTITION BY topic, "partition", experiment, user_id)
    QUALIFY row_number() OVER (PARTITION BY topic, "partition", experiment, user_id
                               ORDER BY happened, variant, x NULLS LAST) = 1),
acts AS (
    SELECT *, {user} AS user_id, {of} AS y, {per} AS z FROM folded WHERE {counts})
"""
"""The first exposures of users, and what they did that may count."""

_ESTIMATES = """,
users AS (
    SELECT experiment, variant, x, crossed, coalesce(sum(y), 0) AS y, {z} AS z
    FROM exposed LEFT JOIN acts
      ON acts.topic = exposed.topic AND acts."partition" = exposed."partition"
     AND acts.user_id = exposed.user_id AND acts.happened >= exposed.happened
    GROUP BY exposed.topic, exposed."partition", exposed."offset", experiment, variant, x, crossed),
known AS (
    SELECT experiment, avg(x) AS mean_x, sum(y) / nullif(sum(z), 0) AS ratio, sum(z) / count(*) AS size
    FROM users WHERE x IS NOT NULL GROUP BY experiment),
pooled AS (
    SELECT experiment, any_value(mean_x) AS mean_x,
           CASE WHEN var_pop(x) > 0 THEN coalesce(covar_pop((y - ratio * z) / size, x) / var_pop(x), 0)
                ELSE 0 END AS theta
    FROM users JOIN known USING (experiment) WHERE x IS NOT NULL GROUP BY experiment),
means AS (
    SELECT experiment, variant, sum(y) / nullif(sum(z), 0) AS mean_y, sum(z) / count(*) AS size
    FROM users GROUP BY ALL),
arms AS (
    SELECT experiment, variant, count(*) AS users, sum(y) AS y_sum, any_value(mean_y) AS mean_y,
           var_samp((y - mean_y * z) / nullif(size, 0)) AS var_y, coalesce(any_value(theta), 0) AS theta,
           any_value(mean_y) - avg(coalesce(theta * (x - mean_x), 0)) AS mean_cuped,
           var_samp((y - mean_y * z) / nullif(size, 0) - coalesce(theta * (x - mean_x), 0)) AS var_cuped,
           count(*) FILTER (crossed) AS crossovers
    FROM users JOIN means USING (experiment, variant) LEFT JOIN pooled USING (experiment) GROUP BY ALL),
beside AS (
    SELECT *, first(variant) OVER control AS control, first(mean_cuped) OVER control AS mean_control,
           first(var_cuped) OVER control AS var_control, first(users) OVER control AS users_control,
           count(*) OVER (PARTITION BY experiment) AS variants,
           avg(users) OVER (PARTITION BY experiment) AS equal
    FROM arms WINDOW control AS (PARTITION BY experiment ORDER BY variant <> 'control', variant)),
compared AS (
    SELECT *, CASE WHEN variant <> control THEN mean_cuped - mean_control END AS diff,
           sqrt(var_cuped / users + var_control / users_control) AS error,
           (users + users_control) * {rho_2} AS scaled,
           CASE WHEN least(users, users_control) >= 100 THEN
                error * sqrt(2 * (scaled + 1) / scaled * ln(sqrt(scaled + 1) / 0.05)) END AS half,
           sum((users - equal) ^ 2 / equal) OVER (PARTITION BY experiment) AS chi_square
    FROM beside)
SELECT experiment AS {experiment_name}, variant AS {variant_name}, users, y_sum, mean_y, var_y, theta,
       mean_cuped, var_cuped, CASE WHEN var_y > 1e-18 THEN 1 - var_cuped / var_y END AS variance_reduction,
       diff, diff - {z_95} * error AS diff_low, diff + {z_95} * error AS diff_high,
       diff - half AS always_valid_low, diff + half AS always_valid_high, crossovers,
       CASE WHEN variants > 1 THEN chi_square_tail(chi_square, variants - 1) END AS srm_p
FROM compared
"""


async def prepare(records: Records) -> None:
    """Have the database know what it lacks: how probable a chi-square beyond a number is."""
    await records.function("chi_square_tail", chi_square_tail, ["DOUBLE", "BIGINT"], "DOUBLE")


def experiments_sql(view: Experiment) -> str:
    """The rows of all experiments that last: whose newest exposure is within `$kept_us` of `$newest_us`."""
    return (EXPOSED_AND_ACTS + _ESTIMATES).format(
        **said_of(view),
        z="coalesce(sum(z), 0)" if view.metric.per else "1",
        rho_2=repr(RHO_2),
        z_95=repr(Z_95),
        experiment_name=quoted(view.exposure.experiment),
        variant_name=quoted(view.exposure.variant),
    )


def said_of(view: Experiment) -> dict[str, str]:
    """What `EXPOSED_AND_ACTS` leaves open."""
    exposure, metric = view.exposure, view.metric
    text = {name: member(exposure.event, name) for name in exposure.fields}
    return {
        "exposure": literal(exposure.event),
        "user": text[exposure.user],
        "experiment": text[exposure.experiment],
        "variant": text[exposure.variant],
        "covariate": text[exposure.covariate],
        "of": added(metric.of),
        "per": added(metric.per),
        "counts": " OR ".join(dict.fromkeys(f"({where(term)})" for term in metric.terms)),
    }


def chi_square_tail(statistic: float, freedom: int) -> float:
    """The upper regularized gamma function Q(freedom ÷ 2, statistic ÷ 2): by its series for small statistics,
    else by its continued fraction (Lentz)."""
    a, x = freedom / 2, statistic / 2
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while abs(term) > abs(total) * 1e-17:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1 - front * total)
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    h, i, change = d, 0, 0.0
    while abs(change - 1) > 3e-16 and i < 10_000:
        i += 1
        step = -i * (i - a)
        b += 2
        d = 1 / (step * d + b or tiny)
        c = b + step / c or tiny
        change = d * c
        h *= change
    return front * h
