"""Views as SQL (DuckDB), generated from their declarations; shares nothing with the fold."""
