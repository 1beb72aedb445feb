"""Promotions: each city has a campaign, whose clicks cost money until its budget has run out.

Then the budget is raised, or another campaign follows with the next impression.
"""

from __future__ import annotations

from collections.abc import Iterator

from streams.sources.market.simulation import Simulation
from streams.sources.market.towns import Campaign, Town

CLICKED = 0.06
INVALID_IMPRESSION, INVALID_CLICK = 0.03, 0.12
FEWEST_CLICKS, MORE_CLICKS = 40, 80
RAISED = 0.3
CLICK_PER_MILLE = 12


def promote(market: Simulation, town: Town, session: str, trace: str) -> None:
    """Show the city's campaign to a session, which may click it. `trace`: the envelope's trace_id."""
    tail = f'"source":"ads-service","city":"{town.city.slug}",{trace}'
    campaign = town.campaign or _begun(market, town, tail)
    valid = "false" if market.random() < INVALID_IMPRESSION else "true"
    facts = f'"campaign_id":"{campaign.campaign_id}","session_id":"{session}"'
    market.emit("promo.impression", tail, campaign.campaign_id.encode(), f'{facts},"valid":{valid}')
    if market.random() < CLICKED:
        market.begin(_click(market, town, campaign, tail, facts))


def _begun(market: Simulation, town: Town, tail: str) -> Campaign:
    click_minor = max(1, town.city.price_minor * CLICK_PER_MILLE // 1_000)
    clicks = FEWEST_CLICKS + int(market.random() * MORE_CLICKS)
    town.campaign = Campaign(market.identity("cmp"), clicks * click_minor, click_minor)
    _tell_budget(market, town, town.campaign, tail)
    return town.campaign


def _tell_budget(market: Simulation, town: Town, campaign: Campaign, tail: str) -> None:
    facts = _amount(town, campaign, campaign.budget_minor)
    market.emit("promo.budget", tail, campaign.campaign_id.encode(), facts)


def _amount(town: Town, campaign: Campaign, amount_minor: int) -> str:
    money = f'"amount_minor":{amount_minor},"currency":"{town.city.currency}"'
    return f'"campaign_id":"{campaign.campaign_id}",{money}'


def _click(market: Simulation, town: Town, campaign: Campaign, tail: str, facts: str) -> Iterator[int]:
    """A click, and what it costs if it is a genuine one."""
    yield market.after(1.5)
    valid = market.random() >= INVALID_CLICK
    text = "true" if valid else "false"
    market.emit("promo.click", tail, campaign.campaign_id.encode(), f'{facts},"valid":{text}')
    if not valid:
        return
    yield market.after(0.2)
    spend = min(campaign.left_minor, max(1, int(campaign.click_minor * (0.5 + market.random()))))
    if not spend:  # other clicks were faster
        return
    campaign.left_minor -= spend
    market.emit("promo.spend", tail, campaign.campaign_id.encode(), _amount(town, campaign, spend))
    if campaign.left_minor:
        return
    if market.random() < RAISED:
        raise_minor = campaign.budget_minor // 2
        campaign.left_minor += raise_minor
        campaign.budget_minor += raise_minor
        _tell_budget(market, town, campaign, tail)
    elif town.campaign is campaign:
        town.campaign = None
