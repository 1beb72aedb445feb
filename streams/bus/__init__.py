"""Kafka: the Faust engine, the feed, the topics, and the embedded broker."""
