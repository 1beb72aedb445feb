"""What Bronze keeps of a partition's identity, and its first position, held against Kafka."""

from __future__ import annotations

from faust.types import TP

from agents.bronze.commit import Committer
from agents.bronze.files import Intent
from streams.roles.identity import Identity, Looks

MEND = "Give it another name, or SLUICE_BRONZE_URL another prefix"


def identity_of(looks: Looks, tp: TP) -> Identity:
    """Watches a partition that Bronze is written of."""
    return Identity(looks, tp, done="what Bronze has is of", mend=MEND)


async def recognise(identity: Identity, committer: Committer, intent: Intent | None) -> int:
    """Hold what the store has of a partition, after `resume`, against Kafka; answers the topic's partitions.

    An intent that is open was read once, too. Raises what `Identity.begin` raises.
    """
    kept = (committer.position, committer.newest, intent)
    ids = [file.topic_id for file in kept if file is not None and file.topic_id is not None]
    read = [file.last_record for file in (committer.newest, intent) if file is not None]
    return await identity.begin(ids, read)


async def is_grown(committer: Committer, tp: TP) -> bool:
    """Whether a partition that was never seen is new to a topic that has been read before."""
    first = await committer.position_of(0)
    return first is not None and first.partitions is not None and tp.partition >= first.partitions
