"""What is posted: Slack's incoming webhooks, PagerDuty's Events API v2, and JSON of our own for others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agents.notify.announcer import FLAP_MS, Change, Notice
from schemas.times import instant_us
from streams.errors import CRITICAL, ErrorCode
from streams.plain_text import plain
from streams.roles.notify.signature import signed
from streams.roles.notify.targets import Target
from streams.runbooks import of_alarm

MOST_TEXT = 1_000
"""Characters of what an alarm says: anybody who may write to the topic may have written it."""
MOST_DEDUP_KEY = 255
ACTIONS = {
    Change.RAISED: "trigger",
    Change.ACKNOWLEDGED: "acknowledge",
    Change.CLEARED: "resolve",
}
JSON = {"content-type": "application/json"}


class Message(NamedTuple):
    """A request's body and headers."""

    body: bytes
    headers: Mapping[str, str]


def batch_of(target: Target) -> int:
    """How many notices one message to a target may have: people read Slack, and programs the others."""
    return 20 if target.kind == "slack" else 1


def message(target: Target, notices: Sequence[Notice], now_us: int) -> Message:
    """What is posted to a target."""
    secret = target.secret()
    match target.kind:
        case "slack":
            return Message(_bytes(_slack(notices)), JSON)
        case "pagerduty":
            return Message(_bytes(_pagerduty(notices[0], secret)), JSON)
        case "generic":
            body = _bytes(_generic(notices[0]))
            headers = signed(message_id(notices[0]), now_us // 1_000_000, body, secret)
            return Message(body, {**JSON, **headers})


def message_id(notice: Notice) -> str:
    """The same for each try of a notice, and after a restart, so that receivers know it again."""
    about = [notice.change, notice.alarm.alarm_id, notice.mark, notice.alarm.at]
    return f"msg_{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]}"


def _facts(notice: Notice) -> dict[str, Any]:
    """An alarm for programs."""
    alarm, code = notice.alarm, ErrorCode.__members__.get(notice.alarm.code)
    facts = {
        "alarm_id": alarm.alarm_id,
        "code": alarm.code,
        "severity": alarm.severity,
        "subject": alarm.subject,
        "at": alarm.at,
        "detail": plain(alarm.detail)[:MOST_TEXT],
        "meaning": code.meaning if code else "",
        "runbook": of_alarm(alarm.alarm_id, alarm.code),
        "flapping": notice.flaps,
    }
    if notice.ack is not None:
        ack = notice.ack
        facts |= {"acknowledged_by": ack.by, "acknowledged_at": ack.at, "acknowledged_reason": ack.reason}
    return facts


def _generic(notice: Notice) -> dict[str, Any]:
    """As Standard Webhooks asks: a type, a time, and what it is about."""
    alarm = notice.alarm
    at = notice.ack.at if notice.change is Change.ACKNOWLEDGED and notice.ack else alarm.at
    return {"type": f"alarm.{notice.change}", "timestamp": at, "data": _facts(notice)}


def _pagerduty(notice: Notice, routing_key: str) -> dict[str, Any]:
    alarm = notice.alarm
    key = alarm.alarm_id
    if len(key) > MOST_DEDUP_KEY:
        key = hashlib.sha256(key.encode()).hexdigest()
    event = {"routing_key": routing_key, "event_action": ACTIONS[notice.change], "dedup_key": key}
    if notice.change is not Change.RAISED:
        return event
    return {
        **event,
        "client": "Sluice",
        "payload": {
            "summary": f"{alarm.code} {_short(alarm.subject)}: {_short(alarm.detail)}"[:MOST_TEXT],
            "source": _short(alarm.subject),
            "severity": "critical" if alarm.severity == CRITICAL else "warning",
            "timestamp": alarm.at,
            "component": "sluice",
            "class": alarm.code,
            "custom_details": _facts(notice),
        },
    }


def _slack(notices: Sequence[Notice]) -> dict[str, Any]:
    """A line of text for each; as blocks, too, which take 3,000 characters each."""
    texts = [_slack_text(notice) for notice in notices]
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in texts]
    return {"text": texts[0] if len(texts) == 1 else f"{len(texts)} alarms of Sluice", "blocks": blocks}


def _slack_text(notice: Notice) -> str:
    alarm, change = notice.alarm, notice.change
    urgent = alarm.severity == CRITICAL
    sign = {
        Change.RAISED: ":rotating_light:" if urgent else ":warning:",
        Change.REMINDED: ":hourglass_flowing_sand:",
        Change.ACKNOWLEDGED: ":eyes:",
        Change.CLEARED: ":white_check_mark:",
    }[change]
    what = "still open" if change is Change.REMINDED else change.value
    said = [f"{sign} *{_escaped(alarm.code)}* {what} ({alarm.severity}): {_escaped(_short(alarm.subject))}"]
    if change is Change.ACKNOWLEDGED and notice.ack is not None:
        said.append(f"by {_escaped(_short(notice.ack.by))}: {_escaped(_short(notice.ack.reason))}")
    else:
        said.append(_escaped(_short(alarm.detail)))
    seconds = instant_us(alarm.at) // 1_000_000
    when = f"<!date^{seconds}^{{date_num}} {{time_secs}}|{alarm.at}>"
    page = "" if change is Change.CLEARED else of_alarm(alarm.alarm_id, alarm.code)
    said.append(f"{when}, {page}" if page else when)
    if notice.flaps:
        minutes = FLAP_MS // 60_000
        said.append(f"It comes and goes: for {minutes} minutes from the first time it is not told again.")
    return "\n".join(said)


def _short(text: str) -> str:
    return plain(text)[:MOST_TEXT]


def _escaped(text: str) -> str:
    """As Slack wants it, so that no text becomes a link or calls somebody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
