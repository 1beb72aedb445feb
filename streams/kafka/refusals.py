"""What Kafka refuses because an access list does not allow it: what, and how to learn what to add.

Kafka names a topic, a group or an id, but no operation: that is known to who asked.
"""

from __future__ import annotations

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

_KINDS = {
    TopicAuthorizationFailedError: "topic",
    GroupAuthorizationFailedError: "group",
    TransactionalIdAuthorizationFailed: "transactional id",
    ClusterAuthorizationFailedError: "the cluster",
}
_LOOKUP = "Unable to get coordinator id for "
"""aiokafka's words where a group may not even be described."""


class NoRightError(KafkaError):  # type: ignore[misc]  # untyped
    """Kafka does not allow what we were about to do: `str()` of its one argument says so."""

    def __init__(self, to: str) -> None:
        super().__init__(no_right(to))


def no_right(to: str) -> str:
    """For people. `to`: an operation, in Kafka's words, and on what: `Read topic events.raw`."""
    return f"Kafka gives no {right(to)}"


def right(to: str, role: str = "") -> str:
    """What somebody waits for."""
    option = f" --role {role}" if role else ""
    return f"right to {to}: `sluice topics list --acls{option}` prints what is needed"


def refusal(error: BaseException, operation: str = "use") -> str | None:
    """What Kafka refuses, for people; None: that is no matter of rights."""
    if isinstance(error, NoRightError):
        return str(error.args[0])
    for kind, what in _KINDS.items():
        if isinstance(error, kind):
            names = _names(error)
            if names.startswith(_LOOKUP):
                operation, names = "Describe", names.removeprefix(_LOOKUP)
            return no_right(f"{operation} {what} {names}".strip())
    return None


def in_words(error: BaseException) -> str:
    """For a log: what is refused, or what kind of error it is, and its text."""
    return refusal(error) or f"{type(error).__name__}: {error}"


def _names(error: BaseException) -> str:
    """aiokafka gives a name, several, or none."""
    (said, *_) = (*error.args, "")
    return said if isinstance(said, str) else ", ".join(sorted(map(str, said)))
