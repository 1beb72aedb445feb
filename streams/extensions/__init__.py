"""Packages with events and views of one's own (docs/extensions.md): loaded, tried in tests, begun."""
