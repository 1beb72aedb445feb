"""Mappings that somebody declares, in a file of YAML."""
