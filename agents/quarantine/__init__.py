"""Quarantine records and audit records."""
