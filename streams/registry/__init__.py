"""The registry of the producers' schemas: asking it, and the log of what it has said."""
