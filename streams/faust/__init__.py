"""Faust as the engine: the app, and a transport that hands on record batches."""
