"""The gates role: one leader that evaluates and publishes."""
