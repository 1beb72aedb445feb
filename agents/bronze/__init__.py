"""The Bronze agent: a range of records becomes objects, an intent and a commit."""
