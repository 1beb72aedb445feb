"""The language in which views are declared, and what makes a declaration wrong."""
