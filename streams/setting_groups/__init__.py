"""Settings by what they are about, each declared once; `streams.settings` puts them together."""
