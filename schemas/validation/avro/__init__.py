"""Records in Confluent's wire format: which schema they are of, and what they say, as JSON."""
