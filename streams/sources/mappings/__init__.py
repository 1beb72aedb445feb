"""Mappings: what other systems' JSON and CSV is as events of the catalogue."""
