"""Comms: messages to users, and digests that are held back."""

from __future__ import annotations

from typing import Literal

from schemas.spec import MISSING, EventSpec
from schemas.types import Id, Name, Payload


class Message(Payload):
    """A message to a user."""

    message_id: Id
    user_id: Id
    channel: Literal["email", "sms", "push"]
    template: str | None = None


class MessageSent(Message):
    """A message was sent."""


class MessageDelivered(Message):
    """A message reached its user."""


class MessageBounced(Message):
    """A message could not be delivered."""


class MessageComplained(Message):
    """A user complained of a message."""


class MessageOptedOut(Message):
    """A message made its user opt out of further ones."""


class DigestSuppressed(Payload):
    """A digest was not sent to a user."""

    user_id: Id
    digest: Name
    reason: Name


_MESSAGE = {"message_id": "msg-301", "user_id": "usr-118", "channel": "email"}

EVENTS = (
    EventSpec(
        name="message.sent",
        payload=MessageSent,
        examples=({**_MESSAGE, "template": "booking-confirmed"}, {**_MESSAGE, "channel": "push"}),
        counter_examples=(
            ({"channel": "fax"}, "channel"),
            ({"channel": MISSING}, "channel"),
            ({"template": 7}, "template"),
        ),
    ),
    EventSpec(
        name="message.delivered",
        payload=MessageDelivered,
        examples=({**_MESSAGE, "template": None}, {**_MESSAGE, "channel": "sms"}),
        counter_examples=(({"message_id": MISSING}, "message_id"), ({"channel": "SMS"}, "channel")),
    ),
    EventSpec(
        name="message.bounced",
        payload=MessageBounced,
        examples=(_MESSAGE,),
        counter_examples=(({"user_id": None}, "user_id"), ({"message_id": 301}, "message_id")),
    ),
    EventSpec(
        name="message.complained",
        payload=MessageComplained,
        examples=(_MESSAGE,),
        counter_examples=(({"user_id": "u" * 129}, "user_id"), ({"template": {}}, "template")),
    ),
    EventSpec(
        name="message.opted_out",
        payload=MessageOptedOut,
        examples=(_MESSAGE,),
        counter_examples=(({"channel": None}, "channel"), ({"message_id": ""}, "message_id")),
    ),
    EventSpec(
        name="digest.suppressed",
        payload=DigestSuppressed,
        examples=({"user_id": "usr-118", "digest": "weekly", "reason": "quiet_hours"},),
        counter_examples=(
            ({"reason": MISSING}, "reason"),
            ({"reason": None}, "reason"),
            ({"digest": "d" * 129}, "digest"),
            ({"user_id": 118}, "user_id"),
        ),
    ),
)
