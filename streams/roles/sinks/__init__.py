"""Partitions whose records go to a sink, range by range: whatever the sink is (`agents.sink`)."""
