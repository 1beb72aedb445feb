"""The compacted feed: its transactional writer, its follower, and the replica that answers queries."""
