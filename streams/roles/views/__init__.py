"""The views role: partitions whose state is stored in the feed."""
