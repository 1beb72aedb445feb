"""A failed write to Kafka: EVENT_PUT_FAILED, unless another writer has taken over, which is expected."""

from __future__ import annotations

import logging

from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaError,
    ProducerFenced,
    TransactionCoordinatorFenced,
)

from streams import logs
from streams.errors import ErrorCode
from streams.kafka.refusals import in_words

log = logging.getLogger(__name__)

FENCED = (ProducerFenced, InvalidProducerEpoch, TransactionCoordinatorFenced)


def log_failed_write(what: str, error: Exception, topic: str) -> None:
    """Log that `what` failed and, where Kafka failed or did not answer in time, count it."""
    message = f"{what} failed: {in_words(error)}"
    if isinstance(error, KafkaError | OSError) and not isinstance(error, FENCED):  # a time-out is an OSError
        logs.emit(ErrorCode.EVENT_PUT_FAILED, message, topic=topic)
    else:
        log.warning(message)
