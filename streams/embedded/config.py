"""How the embedded broker is configured: its ports and its `server.properties`."""

from __future__ import annotations

import base64
import random
import re
import socket
import uuid
from pathlib import Path

HOST = "127.0.0.1"

# Ports to pick from lie below every system's ephemeral range. In it, a client that keeps reconnecting to a
# broker that is down can be given the broker's own port, connect to itself and so keep the broker from it.
FREE_PORTS = range(20_000, 32_000)

PROPERTIES = """\
# Written by `sluice bus up` at every start; changes made here are lost.
process.roles=broker,controller
node.id=1
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller_port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={host}:{controller_port}
log.dirs={data}

# One node: nothing can be replicated, and few partitions of the internal topics make it answer sooner.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
default.replication.factor=1
min.insync.replicas=1

# A missing topic is a mistake to be seen, and a lone consumer has nobody to wait for.
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0

# Replays and tests send records of any age: time alone deletes nothing here. Compaction looks often.
log.retention.ms=-1
log.cleaner.enable=true
log.cleaner.threads=1
log.cleaner.backoff.ms=1000

# After a SIGKILL the new process has to wait until the old one's session ends (9 s by default).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
"""


def render_properties(data: Path, port: int, controller_port: int) -> str:
    """The text of `server.properties` for one node that keeps its records in `data`."""
    return PROPERTIES.format(host=HOST, port=port, controller_port=controller_port, data=data)


def read_ports(properties: Path) -> tuple[int, int] | None:
    """(broker, controller) as a former start wrote them; None if there was none."""
    try:
        text = properties.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    found = re.search(r"^listeners=BROKER://[^:]+:(\d+),CONTROLLER://[^:]+:(\d+)$", text, re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else None


def is_free(port: int) -> bool:
    """Whether a broker could listen on the port now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(other_than: int = 0) -> int:
    """Any free port of `FREE_PORTS`. Raises `OSError` if a few hundred tries find none."""
    for port in random.sample(FREE_PORTS, 300):
        if port != other_than and is_free(port):
            return port
    raise OSError(f"found no free port from {FREE_PORTS[0]} to {FREE_PORTS[-1]}")


def new_cluster_id() -> str:
    """A random UUID as Kafka writes them. One that starts with `-` would be read as an option."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()).startswith("-"):
        pass
    return text
