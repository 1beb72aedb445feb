"""How much longer than it takes on a quiet machine a test waits before it gives up.

Every wait is for a condition, so that patience costs nothing where the condition comes.
"""

PATIENCE = 3
"""Bounds in tests are written for two cores that have time, and are multiplied by this."""
