"""Dedupe: which event ids have been seen, in bounded memory."""
