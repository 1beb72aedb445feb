"""The views as SQL (DuckDB) over `folded`, the events that count, from the words of docs/contract.md §3.

Nothing here comes from `tables`: it is what the views are held against. Sums are HUGEINT, hence exact.
"""

from __future__ import annotations

import math

_IN_WINDOW = """
    FROM folded WHERE hour >= last_hour - $pane_hours
     AND floor_div(occurred_us, 60000000) * 60000000 >= $from_us
     AND floor_div(occurred_us, 60000000) * 60000000 < $to_us
"""


def _latest(key: str, ranks: dict[str, int]) -> str:
    """The newest event of each entity, by (occurred_at, rank, event_id)."""
    names = ", ".join(f"'{name}'" for name in ranks)
    rank = " ".join(f"WHEN '{name}' THEN {rank}" for name, rank in ranks.items())
    return f"""
        SELECT * FROM folded WHERE event IN ({names})
        QUALIFY row_number() OVER (PARTITION BY {key}
            ORDER BY occurred_us DESC, CASE event {rank} END DESC, event_id DESC) = 1"""


_PAYOUTS = _latest(
    "payout_id", {"payout.initiated": 0, "payout.failed": 1, "payout.canceled": 2, "payout.paid": 3}
)
_DISPUTES = _latest("dispute_id", {"dispute.opened": 0, "dispute.responded": 1, "dispute.resolved": 2})
_BOOKINGS = _latest(
    "booking_id",
    {"booking.requested": 0, "booking.expired": 1, "booking.declined": 2, "booking.accepted": 3},
)
_RISKS = _latest("subject_kind, subject_id", {"risk.scored": 0})
_BUDGETS = _latest("currency, campaign_id", {"promo.budget": 0})

OPS = {
    "ops_payout_backlog": f"""
        SELECT city, currency,
               count(*) FILTER (open) AS open,
               coalesce(sum(amount) FILTER (open), 0) AS open_minor,
               count(*) FILTER (open AND due_us < $as_of_us) AS overdue,
               coalesce(sum(amount) FILTER (open AND due_us < $as_of_us), 0) AS overdue_minor,
               count(*) FILTER (failed) AS failed,
               coalesce(sum(amount) FILTER (failed), 0) AS failed_minor,
               count(*) FILTER (open OR failed) AS backlog,
               coalesce(sum(amount) FILTER (open OR failed), 0) AS backlog_minor,
               ($as_of_us - min(occurred_us) FILTER (open)) / 1e6 AS oldest_seconds
        FROM (SELECT *, event = 'payout.initiated' AS open, event = 'payout.failed' AS failed
              FROM ({_PAYOUTS})) GROUP BY ALL""",
    "ops_recon_variance": f"""
        SELECT *, charges_minor - (payouts_minor + refunds_minor + fees_minor) AS variance_minor,
               abs(variance_minor) AS abs_variance_minor,
               CASE WHEN charges_minor <> 0 THEN abs_variance_minor / charges_minor::DOUBLE END
                   AS variance_ratio
        FROM (SELECT city, currency,
                     coalesce(sum(amount) FILTER (event = 'charge.succeeded'), 0) AS charges_minor,
                     coalesce(sum(amount) FILTER (event = 'payout.paid'), 0) AS payouts_minor,
                     coalesce(sum(amount) FILTER (event = 'refund.succeeded'), 0) AS refunds_minor,
                     coalesce(sum(amount) FILTER (event = 'fee.assessed'), 0) AS fees_minor
              {_IN_WINDOW}
               AND event IN ('charge.succeeded', 'payout.paid', 'refund.succeeded', 'fee.assessed')
              GROUP BY ALL)""",
    "ops_dispute_queue": f"""
        SELECT city, currency,
               count(*) FILTER (open) AS open,
               coalesce(sum(amount) FILTER (open), 0) AS open_minor,
               count(*) FILTER (open AND respond_us >= $as_of_us AND respond_us < $as_of_us + 86400000000)
                   AS due_24h,
               count(*) FILTER (open AND respond_us < $as_of_us) AS overdue,
               count(*) FILTER (event = 'dispute.responded') AS under_review,
               ($as_of_us - min(occurred_us) FILTER (open)) / 1e6 AS oldest_seconds
        FROM (SELECT *, event = 'dispute.opened' AS open FROM ({_DISPUTES})) GROUP BY ALL""",
    "ops_acceptance_windows": f"""
        SELECT *, CASE WHEN accepted + declined + expired + breached <> 0
                       THEN accepted / (accepted + declined + expired + breached)::DOUBLE END
                   AS acceptance_rate
        FROM (SELECT city,
                     count(*) FILTER (waiting AND accept_us >= $as_of_us) AS open,
                     count(*) FILTER (waiting AND accept_us >= $as_of_us
                                      AND accept_us < $as_of_us + 3600000000) AS expiring_1h,
                     count(*) FILTER (waiting AND accept_us < $as_of_us) AS breached,
                     count(*) FILTER (event = 'booking.accepted') AS accepted,
                     count(*) FILTER (event = 'booking.declined') AS declined,
                     count(*) FILTER (event = 'booking.expired') AS expired
              FROM (SELECT *, event = 'booking.requested' AS waiting FROM ({_BOOKINGS})) GROUP BY ALL)""",
}

KPI = {
    "kpi_gmv": f"""
        SELECT * EXCLUDE (booked),
               CASE WHEN gmv_minor <> 0 THEN platform_fees_minor / gmv_minor::DOUBLE END AS take_rate
        FROM (SELECT city, currency,
                     count(*) FILTER (event = 'booking.confirmed') AS bookings,
                     coalesce(sum(amount) FILTER (event = 'booking.confirmed'), 0) AS gmv_minor,
                     count(*) FILTER (event = 'booking.cancelled') AS cancellations,
                     coalesce(sum(amount) FILTER (event = 'booking.cancelled'), 0) AS cancelled_minor,
                     coalesce(sum(amount) FILTER (event = 'fee.assessed'), 0) AS platform_fees_minor,
                     list_sort(list(amount) FILTER (event = 'booking.confirmed')) AS booked,
                     booked[greatest(1, (50 * len(booked) + 99) // 100)] AS booking_minor_p50,
                     booked[greatest(1, (95 * len(booked) + 99) // 100)] AS booking_minor_p95
              {_IN_WINDOW}
               AND (event IN ('booking.confirmed', 'booking.cancelled')
                    OR (event = 'fee.assessed' AND kind = 'platform'))
              GROUP BY ALL)""",
    "kpi_funnel": f"""
        SELECT *, CASE WHEN impressions <> 0 THEN clicks / impressions::DOUBLE END AS click_rate,
               CASE WHEN clicks <> 0 THEN profile_views / clicks::DOUBLE END AS view_rate,
               CASE WHEN profile_views <> 0 THEN checkouts / profile_views::DOUBLE END AS checkout_rate,
               CASE WHEN checkouts <> 0 THEN confirms / checkouts::DOUBLE END AS confirm_rate
        FROM (SELECT city,
                     count(*) FILTER (event = 'search.impression') AS impressions,
                     count(*) FILTER (event = 'search.click') AS clicks,
                     count(*) FILTER (event = 'profile.view') AS profile_views,
                     count(*) FILTER (event = 'checkout.start') AS checkouts,
                     count(*) FILTER (event = 'booking.confirmed') AS confirms
              {_IN_WINDOW}
               AND event IN ('search.impression', 'search.click', 'profile.view', 'checkout.start',
                             'booking.confirmed')
              GROUP BY ALL)""",
}

TRUST = {
    "trust_idv": f"""
        SELECT city,
               count(*) FILTER (event = 'idv.started') AS idv_started,
               count(*) FILTER (event = 'idv.passed') AS idv_passed,
               count(*) FILTER (event = 'idv.failed') AS idv_failed,
               CASE WHEN idv_passed + idv_failed <> 0 THEN idv_passed / (idv_passed + idv_failed)::DOUBLE END
                   AS idv_pass_rate,
               count(*) FILTER (event = 'bg.started') AS bg_started,
               count(*) FILTER (event = 'bg.passed') AS bg_passed,
               count(*) FILTER (event = 'bg.failed') AS bg_failed,
               CASE WHEN bg_passed + bg_failed <> 0 THEN bg_passed / (bg_passed + bg_failed)::DOUBLE END
                   AS bg_pass_rate
        {_IN_WINDOW} AND (event LIKE 'idv.%' OR event LIKE 'bg.%') GROUP BY ALL""",
    "trust_risk": f"""
        SELECT city, subject_kind,
               count(*) FILTER (bucket = 'clear') AS clear,
               count(*) FILTER (bucket = 'watch') AS watch,
               count(*) FILTER (bucket = 'action') AS action,
               count(*) FILTER (bucket = 'critical') AS critical
        FROM ({_RISKS}) GROUP BY ALL""",
    "trust_dispute_outcomes": f"""
        SELECT *, CASE WHEN won + lost <> 0 THEN won / (won + lost)::DOUBLE END AS win_rate
        FROM (SELECT city, currency,
                     count(*) FILTER (event = 'dispute.opened') AS opened,
                     count(*) FILTER (outcome = 'won') AS won,
                     count(*) FILTER (outcome = 'lost') AS lost,
                     count(*) FILTER (outcome = 'withdrawn') AS withdrawn,
                     coalesce(sum(amount) FILTER (outcome = 'won'), 0) AS won_minor,
                     coalesce(sum(amount) FILTER (outcome = 'lost'), 0) AS lost_minor,
                     coalesce(sum(amount) FILTER (outcome = 'withdrawn'), 0) AS withdrawn_minor
              {_IN_WINDOW} AND event IN ('dispute.opened', 'dispute.resolved') GROUP BY ALL)""",
}

PROMOTIONS = {
    "promo_performance": f"""
        SELECT *, CASE WHEN impressions <> 0 THEN clicks / impressions::DOUBLE END AS ctr,
               CASE WHEN impressions + clicks + invalid <> 0
                    THEN invalid / (impressions + clicks + invalid)::DOUBLE END AS invalid_rate
        FROM (SELECT campaign_id, city,
                     count(*) FILTER (event = 'promo.impression' AND valid) AS impressions,
                     count(*) FILTER (event = 'promo.click' AND valid) AS clicks,
                     count(*) FILTER (NOT valid) AS invalid
              {_IN_WINDOW} AND event IN ('promo.impression', 'promo.click') GROUP BY ALL)""",
    "promo_spend": f"""
        SELECT campaign_id, currency, coalesce(spend_minor, 0) AS spend_minor, budget_minor,
               CASE WHEN budget_minor <> 0 THEN coalesce(spend_minor, 0) / budget_minor::DOUBLE END
                   AS spend_ratio
        FROM (SELECT campaign_id, currency, sum(amount) AS spend_minor
              {_IN_WINDOW} AND event = 'promo.spend' GROUP BY ALL)
        FULL JOIN (SELECT campaign_id, currency, amount AS budget_minor FROM ({_BUDGETS}))
             USING (campaign_id, currency)""",
}

COMMS = {
    "comms_delivery": f"""
        SELECT *, CASE WHEN sent <> 0 THEN delivered / sent::DOUBLE END AS delivery_rate,
               CASE WHEN sent <> 0 THEN bounced / sent::DOUBLE END AS bounce_rate,
               CASE WHEN delivered <> 0 THEN complained / delivered::DOUBLE END AS complaint_rate,
               CASE WHEN delivered <> 0 THEN opted_out / delivered::DOUBLE END AS opt_out_rate
        FROM (SELECT channel, city,
                     count(*) FILTER (event = 'message.sent') AS sent,
                     count(*) FILTER (event = 'message.delivered') AS delivered,
                     count(*) FILTER (event = 'message.bounced') AS bounced,
                     count(*) FILTER (event = 'message.complained') AS complained,
                     count(*) FILTER (event = 'message.opted_out') AS opted_out
              {_IN_WINDOW} AND event LIKE 'message.%' GROUP BY ALL)""",
    "comms_digest": f"""
        SELECT reason, city, count(*) AS suppressed {_IN_WINDOW} AND event = 'digest.suppressed'
        GROUP BY ALL""",
}

STUDIOS = {
    "studio_ops": f"""
        SELECT city,
               count(*) FILTER (event = 'studio.verification_requested') AS verification_requested,
               count(*) FILTER (event = 'studio.verified') AS verified,
               count(*) FILTER (event = 'studio.rejected') AS rejected,
               CASE WHEN verified + rejected <> 0 THEN verified / (verified + rejected)::DOUBLE END
                   AS verification_rate,
               coalesce(sum(quantity) FILTER (event = 'amenity.used'), 0) AS amenity_uses,
               count(*) FILTER (event = 'quote.requested') AS quotes_requested,
               count(*) FILTER (event = 'quote.accepted') AS quotes_accepted,
               count(*) FILTER (event = 'quote.declined') AS quotes_declined,
               count(*) FILTER (event = 'quote.expired') AS quotes_expired,
               CASE WHEN quotes_requested <> 0 THEN quotes_accepted / quotes_requested::DOUBLE END
                   AS quote_success_rate
        {_IN_WINDOW} AND (event LIKE 'studio.%' OR event LIKE 'quote.%' OR event = 'amenity.used')
        GROUP BY ALL""",
}

QUARANTINE = {
    "ops_quarantine": """
        SELECT source, event, reason, accepted, quarantined,
               quarantined / (accepted + quarantined)::DOUBLE AS bad_share
        FROM (SELECT source, event, reason, count(*) FILTER (reason IS NULL) AS accepted,
                     count(*) FILTER (reason IS NOT NULL) AS quarantined
              FROM (SELECT source, event, NULL AS reason, occurred_us, hour, last_hour FROM folded
                    UNION ALL
                    SELECT source, event, reason, occurred_us, hour, last_hour FROM refused)
              WHERE coalesce(hour >= last_hour - $pane_hours, true)
                AND floor_div(occurred_us, 60000000) * 60000000 >= $from_us
                AND floor_div(occurred_us, 60000000) * 60000000 < $to_us
              GROUP BY ALL)""",
}

_RHO_2 = (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) / 10_000
"""Makes the asymptotic confidence sequence narrowest at 10,000 users."""

EXPERIMENTS = {
    "exp_metric_cuped": f"""
        WITH exposed AS (
            SELECT exp_key, variant, user_id, covariate AS x, occurred_us,
                   min(variant) OVER (PARTITION BY exp_key, user_id)
                       <> max(variant) OVER (PARTITION BY exp_key, user_id) AS crossed
            FROM folded WHERE event = 'experiment.exposure'
            QUALIFY max(occurred_us) OVER (PARTITION BY exp_key)
                        >= (SELECT max(occurred_us) FROM folded) - $pane_hours * 3600000000
                AND row_number() OVER (PARTITION BY exp_key, user_id
                                       ORDER BY occurred_us, variant, covariate NULLS LAST) = 1),
        users AS (
            SELECT exp_key, variant, x, crossed,
                   (SELECT count(*) FROM folded AS done
                    WHERE done.event = 'checkout.start' AND done.user_id = exposed.user_id
                      AND done.occurred_us >= exposed.occurred_us) AS y
            FROM exposed),
        pooled AS (
            SELECT exp_key, avg(x) AS mean_x,
                   CASE WHEN var_pop(x) > 0 THEN covar_pop(y, x) / var_pop(x) ELSE 0 END AS theta
            FROM users WHERE x IS NOT NULL GROUP BY exp_key),
        arms AS (
            SELECT exp_key, variant, count(*) AS users, sum(y) AS y_sum, avg(y) AS mean_y,
                   var_samp(y) AS var_y, coalesce(any_value(theta), 0) AS theta,
                   avg(y - coalesce(theta * (x - mean_x), 0)) AS mean_cuped,
                   var_samp(y - coalesce(theta * (x - mean_x), 0)) AS var_cuped,
                   count(*) FILTER (crossed) AS crossovers
            FROM users LEFT JOIN pooled USING (exp_key) GROUP BY exp_key, variant),
        beside AS (
            SELECT *, first(mean_cuped) OVER control AS mean_control, first(variant) OVER control AS control,
                   first(var_cuped) OVER control AS var_control, first(users) OVER control AS users_control,
                   count(*) OVER (PARTITION BY exp_key) AS variants,
                   avg(users) OVER (PARTITION BY exp_key) AS even
            FROM arms WINDOW control AS (PARTITION BY exp_key ORDER BY variant <> 'control', variant)),
        compared AS (
            SELECT *, CASE WHEN variant <> control THEN mean_cuped - mean_control END AS diff,
                   sqrt(var_cuped / users + var_control / users_control) AS error,
                   (users + users_control) * {_RHO_2!r} AS scaled,
                   CASE WHEN least(users, users_control) >= 100 THEN
                        error * sqrt(2 * (scaled + 1) / scaled * ln(sqrt(scaled + 1) / 0.05)) END AS half,
                   sum((users - even) ^ 2 / even) OVER (PARTITION BY exp_key) AS chi_square
            FROM beside)
        SELECT exp_key, variant, users, y_sum, mean_y, var_y, theta, mean_cuped, var_cuped,
               CASE WHEN var_y > 0 THEN 1 - var_cuped / var_y END AS variance_reduction,
               diff, diff - 1.959963984540054 * error AS diff_low,
               diff + 1.959963984540054 * error AS diff_high,
               diff - half AS always_valid_low, diff + half AS always_valid_high, crossovers,
               CASE variants WHEN 2 THEN erfc(sqrt(chi_square / 2))
                             WHEN 3 THEN exp(-chi_square / 2) END AS srm_p
        FROM compared""",
}

QUERIES = {**OPS, **KPI, **TRUST, **PROMOTIONS, **COMMS, **STUDIOS, **EXPERIMENTS, **QUARANTINE}
"""View → its SQL, with the parameters `pane_hours`, `from_us`, `to_us` and `as_of_us` where it has them."""

DIMENSIONS = {
    "ops_payout_backlog": ("city", "currency"),
    "ops_recon_variance": ("city", "currency"),
    "ops_dispute_queue": ("city", "currency"),
    "ops_acceptance_windows": ("city",),
    "kpi_gmv": ("city", "currency"),
    "kpi_funnel": ("city",),
    "trust_idv": ("city",),
    "trust_risk": ("city", "subject_kind"),
    "trust_dispute_outcomes": ("city", "currency"),
    "promo_performance": ("campaign_id", "city"),
    "promo_spend": ("campaign_id", "currency"),
    "comms_delivery": ("channel", "city"),
    "comms_digest": ("reason", "city"),
    "studio_ops": ("city",),
    "exp_metric_cuped": ("exp_key", "variant"),
    "ops_quarantine": ("source", "event", "reason"),
}

LATEST_VIEWS = (
    "ops_payout_backlog", "ops_dispute_queue", "ops_acceptance_windows", "trust_risk", "exp_metric_cuped",
)  # fmt: skip
"""These show the latest states, whatever the window."""
