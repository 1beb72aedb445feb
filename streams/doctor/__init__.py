"""What `sluice doctor` looks at: independent checks, each a small function that answers findings."""
