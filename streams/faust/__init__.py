"""Faust as the engine: the app, and a transport that passes on record batches."""
