"""The recon gates: their figures, their rule, and their records and alarms."""
