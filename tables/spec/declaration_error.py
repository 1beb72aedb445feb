"""The refusal of a declaration. Every command imports this, so it imports nothing."""


class DeclarationError(ValueError):
    """A view cannot be computed as it is declared: one line that names it, the measure and what to do."""
