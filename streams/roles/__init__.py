"""The worker roles: ownership, recovery and progress of partitions."""
