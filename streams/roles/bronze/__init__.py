"""The bronze role: partitions whose ranges go to the object store."""
