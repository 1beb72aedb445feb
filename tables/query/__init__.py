"""Answers from what a reader holds: parameters in, rows out."""
