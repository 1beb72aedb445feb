"""Whether what was written by former declarations of events can still be read, by Avro's and by our rules."""
