"""Who asks, and what they may see: credentials, analysts, the cities of each, and how often they may ask."""
