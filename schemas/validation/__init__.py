"""Validation of record values: the fast path over batches, the slow path for what it refuses, and the
reasons."""
