"""The worker roles: what owns partitions, recovers them, and says how far they are."""
