"""Partitions whose records are written to a sink, range by range, for any sink (`agents.sink`)."""
