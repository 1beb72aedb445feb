"""The bronze role: partitions whose ranges are written to the object store."""
