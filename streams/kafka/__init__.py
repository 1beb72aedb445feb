"""Kafka without Faust: clients, topics, record batches in every format, and the identity of topics."""
