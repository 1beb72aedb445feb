"""The views role: partitions whose state is in the feed."""
