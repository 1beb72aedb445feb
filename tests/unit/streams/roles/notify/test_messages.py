"""What is posted, as each receiver wants it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from agents.notify.announcer import Change, Mark, Notice, Source
from streams.roles.notify.messages import message, message_id
from streams.roles.notify.signature import signed
from streams.roles.notify.targets import Kind, Target
from tables.gates.acks import Ack
from tables.gates.alarms import Alarm
from tests.support.alarms import KEY, alarm

ACK = Ack(alarm_id="a", by="ada", at="2026-03-01T12:05:00Z", reason="on it")
AT_MS = 1_772_366_400_000
SECRET = b"secret-of-twenty-four-bytes!"


def target(kind: Kind) -> Target:
    secret: dict[str, Any] = {"slack": None, "pagerduty": KEY, "generic": SECRET}
    return Target(
        name="x", kind=kind, url=lambda: "", secret=lambda: secret[kind], severities=(), subjects=(),
        scope=None, remind_ms=0,
    )  # fmt: skip


def notice(change: Change, of: Alarm | None = None, **facts: Any) -> Notice:
    return Notice(change, of or alarm("a", at_ms=AT_MS), Mark(Source.ALARMS, 3), **facts)


def posted(kind: Kind, *notices: Notice) -> Any:
    return json.loads(message(target(kind), notices, AT_MS * 1000).body)


def test_pagerduty_is_triggered_acknowledged_and_resolved() -> None:
    trigger = posted("pagerduty", notice(Change.RAISED))
    details = trigger["payload"].pop("custom_details")
    assert trigger == {
        "routing_key": KEY, "event_action": "trigger", "dedup_key": "a", "client": "Sluice",
        "payload": {
            "summary": "QUALITY_CHECK_FAILED recon/london|GBP: it differs", "source": "recon/london|GBP",
            "severity": "critical", "timestamp": "2026-03-01T12:00:00Z", "component": "sluice",
            "class": "QUALITY_CHECK_FAILED",
        },
    }  # fmt: skip
    assert details["runbook"].startswith("docs/runbooks")
    for change, action in ((Change.ACKNOWLEDGED, "acknowledge"), (Change.CLEARED, "resolve")):
        event = {"routing_key": KEY, "event_action": action, "dedup_key": "a"}
        assert posted("pagerduty", notice(change, ack=ACK)) == event


def test_an_id_that_is_too_long_for_pagerduty_is_shortened_alike_each_time() -> None:
    long = alarm("x" * 300, at_ms=AT_MS)
    keys = {
        posted("pagerduty", notice(change, long))["dedup_key"] for change in (Change.RAISED, Change.CLEARED)
    }
    (key,) = keys
    assert len(key) == 64


def test_slack_has_a_block_for_each_and_no_text_acts() -> None:
    evil = alarm("e", subject="<!channel> & co", detail="a\nb\x1b[31m", at_ms=AT_MS, severity="warning")
    document = posted(
        "slack", notice(Change.RAISED, evil, flaps=True), notice(Change.ACKNOWLEDGED, ack=ACK),
        notice(Change.REMINDED), notice(Change.CLEARED),
    )  # fmt: skip
    raised, acknowledged, reminded, cleared = [block["text"]["text"] for block in document["blocks"]]
    assert document["text"] == "4 alarms of Sluice"
    head, detail, when, flaps = raised.split("\n")
    assert head == ":warning: *QUALITY_CHECK_FAILED* raised (warning): &lt;!channel&gt; &amp; co"
    assert detail == "a\\nb\\x1b[31m"
    assert when.startswith("<!date^1772366400^{date_num} {time_secs}|2026-03-01T12:00:00Z>, docs/runbooks")
    assert flaps.startswith("It comes and goes")
    assert "by ada: on it" in acknowledged
    assert "still open" in reminded
    assert "docs/" not in cleared


def test_a_generic_webhook_is_signed_as_standard_webhooks_are() -> None:
    one = notice(Change.ACKNOWLEDGED, ack=ACK)
    made = message(target("generic"), [one], AT_MS * 1000)
    document = json.loads(made.body)
    assert (document["type"], document["timestamp"]) == ("alarm.acknowledged", ACK.at)
    assert document["data"]["acknowledged_by"] == "ada"
    assert made.headers["webhook-id"] == message_id(one)
    content = f"{made.headers['webhook-id']}.{made.headers['webhook-timestamp']}.".encode() + made.body
    expected = base64.b64encode(hmac.new(SECRET, content, hashlib.sha256).digest()).decode()
    assert made.headers["webhook-signature"] == f"v1,{expected}"


def test_the_specifications_own_example() -> None:
    """Of standard-webhooks/standard-webhooks: the libraries' test vector."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', secret)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("kind", ["slack", "pagerduty", "generic"])
def test_what_an_alarm_says_is_bounded(kind: Kind) -> None:
    huge = alarm("h", subject="s" * 10_000, detail="d" * 100_000, at_ms=AT_MS)
    body = message(target(kind), [notice(Change.RAISED, huge)], AT_MS * 1000).body
    assert len(body) < 30_000


def test_a_notice_has_one_id_and_each_its_own() -> None:
    changes = [notice(Change.RAISED), notice(Change.CLEARED), notice(Change.RAISED, alarm("b", at_ms=AT_MS))]
    assert len({message_id(one) for one in changes}) == 3
    assert message_id(changes[0]) == message_id(notice(Change.RAISED))
