"""The views agent: a batch of records becomes folded state and quarantine records."""
